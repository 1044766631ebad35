"""The queries in the README answer what the README shows."""

import io
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
from contextlib import redirect_stdout

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TEAMSHEET", ROOT / "target/debug/teamsheet")).resolve()
SHOWN = re.compile(r"ask <<'SQL'\n(?P<query>.*?)SQL\n```\n\n```text\n(?P<answer>.*?)```", re.DOTALL)


class Readme(unittest.TestCase):
    def test_each_query_has_the_answer_that_is_shown(self):
        shown = list(SHOWN.finditer((ROOT / "README.md").read_text()))
        self.assertEqual(len(shown), 3)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([BINARY, "--quiet", "demo"], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for example in shown:
                query = example["query"].replace("'demo-warehouse/", f"'{folder}/demo-warehouse/")
                printed = io.StringIO()
                with redirect_stdout(printed):
                    duckdb.sql(query).show(max_width=100)
                lines = [line.rstrip() for line in printed.getvalue().strip().splitlines()]
                self.assertEqual(lines, example["answer"].strip().splitlines(), query)


if __name__ == "__main__":
    unittest.main()
