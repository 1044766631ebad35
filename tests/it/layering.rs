//! The floors of `src/lib.rs`: a module names only lower ones, and siblings never name each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first; modules of one row are siblings.
const FLOORS: [&[&str]; 10] = [
    &["fuzz", "ids", "pasted_link", "time"],
    &["job", "model", "tables"],
    &["flatten", "graph", "import", "warehouse"],
    &["attendance"],
    &["ledger"],
    &["discover"],
    &["fetch"],
    &["check", "pipeline"],
    &["cli"],
    &["main"],
];
const LONGEST_FILE: usize = 600;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn module_of(path: &Path, root: &Path) -> String {
    let first = path
        .strip_prefix(root)
        .unwrap()
        .components()
        .next()
        .unwrap();
    first
        .as_os_str()
        .to_str()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned()
}

/// Every module that the text names as `crate::module`.
fn named(text: &str) -> BTreeSet<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let after = code.split("crate::").skip(1);
    after
        .map(|rest| {
            rest.chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect()
        })
        .collect()
}

#[test]
fn a_module_names_only_lower_floors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let floor_of = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let mut wrong = Vec::new();
    for path in &files {
        let module = module_of(path, &root);
        let names = named(&fs::read_to_string(path).unwrap());
        if module == "lib" {
            continue;
        }
        for name in names.iter().filter(|name| **name != module) {
            let is_allowed = match (module.as_str(), name.as_str()) {
                ("simulated_tenant", other) => matches!(other, "ids" | "time"),
                (from, "simulated_tenant") => from == "cli",
                (from, to) => match (floor_of(from), floor_of(to)) {
                    (Some(from), Some(to)) => to < from,
                    // not a module but an item of the crate's root
                    (Some(_), None) => false,
                    (None, _) => {
                        panic!("{from} is on no floor: add it to the list and to src/lib.rs")
                    }
                },
            };
            if !is_allowed {
                wrong.push(format!(
                    "{} names {name}",
                    path.strip_prefix(&root).unwrap().display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_room_is_longer_than_one_can_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for path in files {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= LONGEST_FILE,
            "{} has {lines} lines: split it",
            path.display()
        );
    }
}
