"""What the tests of object stores do from outside: make buckets, copy what lies in them, and read while somebody publishes.

stores.py make  KIND ENDPOINT BUCKET                     makes a bucket or container
stores.py copy  KIND ENDPOINT BUCKET/PREFIX FOLDER       copies every object below a prefix
stores.py write KIND ENDPOINT BUCKET/KEY TEXT            writes an object without any condition
stores.py watch KIND ENDPOINT BUCKET/PREFIX READER       queries one partition until standard input closes; prints what it saw as JSON

KIND is s3 or az. A generation of the partition that `watch` reads holds 2,000 rows and 500 for each unit of its number modulo 5, and
every row says its number: a query that sees anything else saw no generation.
"""

import json
import pathlib
import sys
import threading

# Azurite's own well-known account, which is no secret
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def filesystem(kind, endpoint, **options):
    if kind == "s3":
        import s3fs

        return s3fs.S3FileSystem(
            key="test",
            secret="test",
            client_kwargs={"endpoint_url": endpoint},
            use_listings_cache=False,
            skip_instance_cache=True,
            **options,
        )
    import adlfs

    return adlfs.AzureBlobFileSystem(
        connection_string=f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};"
        f"BlobEndpoint={endpoint}/devstoreaccount1;",
        use_listings_cache=False,
        skip_instance_cache=True,
        **options,
    )


def copy(store, prefix, folder):
    for key in store.find(prefix):
        path = pathlib.Path(folder, key.removeprefix(prefix).lstrip("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.cat_file(key))


def is_whole(count, low, high):
    return low == high and count == 2_000 + 500 * (low % 5)


def watch(kind, endpoint, prefix, reader):
    seen = {"right": 0, "loud": 0, "wrong": 0, "generations": set(), "errors": {}, "answers": []}
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    ask = READERS[reader](kind, endpoint, prefix)
    while not stopped.is_set():
        try:
            count, low, high = ask()
        except Exception as error:  # whatever a reader says loudly
            seen["loud"] += 1
            expired = "FileExpired" in str(error)
            said = "FileExpired" if expired else str(error).strip().splitlines()[0][:50]
            seen["errors"][said] = seen["errors"].get(said, 0) + 1
            continue
        if is_whole(count, low, high):
            seen["right"] += 1
            seen["generations"].add(low)
        else:
            seen["wrong"] += 1
            seen["answers"].append([count, low, high])
    seen["generations"] = len(seen["generations"])
    seen["answers"] = seen["answers"][:5]
    print(json.dumps(seen))


def duckdb_over_fsspec(kind, endpoint, prefix):
    """DuckDB with the file system of fsspec, which reads 64 KiB at a time, so that a query takes several requests."""
    import duckdb

    store = filesystem(kind, endpoint, default_block_size=65_536, default_cache_type="none") if kind == "s3" else filesystem(kind, endpoint)
    connection = duckdb.connect()
    connection.register_filesystem(store)
    scheme = "s3" if kind == "s3" else "abfs"
    query = (
        "SELECT count(*), min(duration_in_seconds), max(duration_in_seconds), count(DISTINCT report_id) "
        f"FROM read_parquet('{scheme}://{prefix}/attendance_intervals/event_date=*/data.parquet')"
    )

    def ask():
        count, low, high, reports = connection.execute(query).fetchone()
        return (count if count == reports else -1), low, high

    return ask


def duckdb_over_bytes(kind, endpoint, prefix):
    """DuckDB over an object that was read in one request: what the promise for one object comes to."""
    import io
    import tempfile

    import duckdb

    store = filesystem(kind, endpoint)
    connection = duckdb.connect()

    def ask():
        [key] = store.glob(f"{prefix}/attendance_intervals/event_date=*/data.parquet")
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            file.write(io.BytesIO(store.cat_file(key)).getbuffer())
            file.flush()
            return connection.execute(
                f"SELECT count(*), min(duration_in_seconds), max(duration_in_seconds) FROM '{file.name}'"
            ).fetchone()

    return ask


READERS = {"duckdb-fsspec": duckdb_over_fsspec, "duckdb-bytes": duckdb_over_bytes}


def main(verb, kind, endpoint, place, *rest):
    if verb == "make":
        filesystem(kind, endpoint).mkdir(place)
    elif verb == "copy":
        copy(filesystem(kind, endpoint), place, *rest)
    elif verb == "write":
        filesystem(kind, endpoint).pipe_file(place, rest[0].encode())
    elif verb == "watch":
        watch(kind, endpoint, place, *rest)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
