"""Readers in a loop over 1,000 publishes of one partition: each answer is one whole generation, or a loud error.

An error is allowed (a query that was in flight during the exchange finds its file gone) and is answered by asking again; a wrong
answer never is. Run by .ci/test, or by hand:

    cargo build --example publish_often
    python -m unittest tests.readers.test_publishes -v
"""

import os
import pathlib
import subprocess
import tempfile
import threading
import unittest

import duckdb
import polars

ROOT = pathlib.Path(__file__).resolve().parents[2]
PUBLISHER = pathlib.Path(os.environ.get("PUBLISH_OFTEN", ROOT / "target/debug/examples/publish_often")).resolve()
PUBLISHES = 1_000


def rows_of(generation):
    """How many rows a generation has, as tests/readers/publish_often.rs makes them."""
    return 2_000 + 100 * (generation % 10)


def by_duckdb(folder):
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    # what a first query learnt of a file must not stand for the next generation either
    connection.execute("SET enable_object_cache = true")
    query = f"""SELECT count(*), count(join_date_time), min(duration_in_seconds), max(duration_in_seconds),
                       count(DISTINCT record_index), sum(record_index)
                FROM '{folder}/attendance_intervals/event_date=*/*.parquet'"""
    return lambda: connection.execute(query).fetchone()


def by_polars(folder):
    glob = f"{folder}/attendance_intervals/event_date=*/*.parquet"

    def ask():
        seconds, index = polars.col("duration_in_seconds"), polars.col("record_index")
        frame = polars.scan_parquet(glob).select(
            polars.len(),
            polars.col("join_date_time").count(),
            seconds.min().alias("min"),
            seconds.max().alias("max"),
            index.n_unique().alias("indexes"),
            index.cast(polars.Int64).sum().alias("sum"),
        )
        return frame.collect().row(0)

    return ask


class Reader(threading.Thread):
    """Asks until it is told to stop; keeps what was loud and what was wrong."""

    def __init__(self, name, ask, done):
        super().__init__(name=name, daemon=True)
        self.ask, self.done = ask, done
        self.answers, self.errors, self.wrong, self.generations = 0, [], [], set()

    def run(self):
        while not self.done.is_set():
            try:
                answer = self.ask()
            except (duckdb.Error, polars.exceptions.PolarsError, OSError) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
                continue
            self.answers += 1
            rows, joins, first, last, indexes, total = answer
            expected = rows_of(first) if first is not None else -1
            if (rows, joins, first, indexes, total) != (expected, expected, last, expected, expected * (expected - 1) // 2):
                self.wrong.append(answer)
            self.generations.add(first)


class Publishes(unittest.TestCase):
    def test_fault_20_readers_in_a_loop_see_whole_generations_or_a_loud_error(self):
        with tempfile.TemporaryDirectory() as folder:
            publisher = subprocess.Popen([PUBLISHER, folder, str(PUBLISHES)], stdout=subprocess.PIPE, text=True)
            self.addCleanup(publisher.stdout.close)
            self.assertEqual(publisher.stdout.readline(), "1\n")
            done = threading.Event()
            readers = [Reader("DuckDB", by_duckdb(folder), done), Reader("polars", by_polars(folder), done)]
            for reader in readers:
                reader.start()
            published = 1 + sum(1 for _ in publisher.stdout)
            self.assertEqual(publisher.wait(), 0)
            done.set()
            for reader in readers:
                reader.join()
                print(f"{reader.name}: {reader.answers} answers of {len(reader.generations)} generations, {len(reader.errors)} loud errors")
            self.assertEqual(published, PUBLISHES)
            for reader in readers:
                self.assertEqual(reader.wrong, [], reader.name)
                self.assertGreater(len(reader.generations), 50, reader.name)
                self.assertGreater(reader.answers, len(reader.errors), reader.errors[:3])
                # once nothing is published any more, there is one answer
                self.assertEqual(reader.ask()[0], rows_of(PUBLISHES), reader.name)


if __name__ == "__main__":
    unittest.main()
