//! What lies beside data files and is none: readers skip it, and so does teamsheet.
//!
//! | name | who leaves it |
//! |---|---|
//! | `.…` | file managers, editors, Hadoop's checksums, NFS (`.nfs…`) |
//! | `_…` without `=` | Spark and Hive (`_SUCCESS`, `_metadata`) |
//! | `…._COPYING_` | an upload by `hdfs dfs -put` that is under way |
//! | `…_$folder$`, and objects whose key ends with `/` | consoles and Hadoop, in place of a folder that a bucket does not have |
//!
//! The first three are what Spark skips: `PartitioningAwareFileIndex` and `HadoopFSUtils.shouldFilterOutPathName`. Such a file is named
//! once in the log and left alone; where its partition gets a new generation it moves along.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Once;

/// What stands at the end of an object's key in place of a folder.
const FOLDER_MARK: &str = "_$folder$";

/// Whether readers skip a name below a table.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.')
        || (name.starts_with('_') && !name.contains('='))
        || name.ends_with("._COPYING_")
        || name.ends_with(FOLDER_MARK)
}

/// Whether an object stands for a folder: it holds nothing, and is called like no data file. The client cuts the `/` off its key.
#[cfg(feature = "object-store")]
pub(super) fn is_folder_marker(key: &str, size: u64) -> bool {
    size == 0 && !key.ends_with(".parquet")
}

/// Says once in a process that something is left alone; of the others the log tells at its level `debug`.
pub(super) fn name_once(path: &Path) {
    static NAMED: Once = Once::new();
    let mut is_first = false;
    NAMED.call_once(|| is_first = true);
    // its glob hides nothing, and whoever queries the table meets an error
    let is_read = path.extension().is_some_and(|end| end == "parquet");
    let duckdb = if is_read {
        "; DuckDB reads every name that ends with `.parquet`, so move this one away"
    } else {
        ""
    };
    let path = path.display();
    if is_first {
        tracing::warn!(
            "`{path}` is no data file and is left alone, as is everything whose name readers skip{duckdb}"
        );
    } else {
        tracing::debug!("`{path}` is left alone{duckdb}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spark_skips_is_hidden_and_what_it_reads_is_not() {
        for name in [
            ".DS_Store",
            "._part-0.parquet",
            ".part-0.parquet.crc",
            ".nfs000000000003c1f200000001",
            ".ipynb_checkpoints",
            ".~lock.data.parquet#",
            "_SUCCESS",
            "_metadata",
            "_delta_log",
            "_temporary",
            "data.parquet._COPYING_",
            "sessions_$folder$",
            "event_date=2026-01-05_$folder$",
        ] {
            assert!(is_hidden(name.as_ref()), "{name}");
        }
        for name in [
            "data.parquet",
            "event_date=2026-01-05",
            "_event_date=2026-01-05",
            "copy of data.parquet",
            "data.parquet~",
            "Thumbs.db",
            "lost+found",
            "$folder$",
        ] {
            assert!(!is_hidden(name.as_ref()), "{name}");
        }
    }

    #[cfg(feature = "object-store")]
    #[test]
    fn an_object_stands_for_a_folder_only_where_it_holds_nothing() {
        for key in [
            "sessions",
            "sessions_$folder$",
            "sessions/event_date=2026-01-05",
        ] {
            assert!(is_folder_marker(key, 0), "{key}");
            assert!(!is_folder_marker(key, 1), "{key}");
        }
        assert!(!is_folder_marker(
            "sessions/event_date=2026-01-05/data.parquet",
            0
        ));
    }
}
