"""The steps of jobs/Dockerfile without a container engine.

What is done: the files that COPY names, and no others, lie in an empty folder; the RUN lines are run there by a shell; what the last
stage copies is put into an empty root with nothing but the libraries that its base image has; and the ENTRYPOINT is run there as its
USER. What is not: the base images are not pulled, and the toolchain is this machine's, with the profile of the tests for speed.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "jobs/Dockerfile"
# what gcr.io/distroless/cc-debian12 holds of shared libraries that a Rust program may need
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def stages():
    """The instructions of each stage, as pairs of keyword and rest."""
    text = "\n".join(line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#"))
    lines = [line.split(None, 1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    found = []
    for keyword, rest in lines:
        if keyword == "FROM":
            found.append([])
        found[-1].append((keyword, rest))
    return found


def run(command, **options):
    ended = subprocess.run(command, capture_output=True, text=True, **options)
    if ended.returncode != 0:
        raise AssertionError(f"{command} ended with {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


class Container(unittest.TestCase):
    def test_only_known_instructions_are_used(self):
        build, image = stages()
        self.assertEqual({keyword for keyword, _ in build}, {"FROM", "WORKDIR", "COPY", "ARG", "ENV", "RUN"})
        self.assertEqual([keyword for keyword, _ in image], ["FROM", "COPY", "COPY", "USER", "WORKDIR", "ENTRYPOINT", "CMD"])
        self.assertTrue(all(re.search(r":[^:]+$", rest.split()[0]) for keyword, rest in build + image if keyword == "FROM"))

    @unittest.skipUnless(os.geteuid() == 0, "only root can enter another root")
    def test_the_image_holds_a_program_that_runs_there_as_somebody_who_is_not_root(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            folder.chmod(0o755)
            work, root = folder / "build", folder / "root"
            out = folder / "out"
            build, image = stages()
            self.lay(build, work)
            environment = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target"), "TEAMSHEET_COMMIT": "0123456789abcdef0123456789abcdef01234567"}
            for keyword, rest in build:
                if keyword == "RUN":
                    command = rest.replace(" --release", "").replace("target/release", f"{ROOT}/target/debug").replace("/out/", f"{out}/")
                    run(["sh", "-ec", command], cwd=work, env=environment)
            for keyword, rest in image:
                if keyword == "COPY":
                    self.copy_from_build(rest.split(), out, root)
            settings = dict(image)
            (user, group), (program,) = settings["USER"].split(":"), json.loads(settings["ENTRYPOINT"])
            self.assertNotIn("0", (user, group))
            self.add_libraries(root, root / program.lstrip("/"))
            inside = [shutil.which("chroot"), f"--userspec={user}:{group}", "--groups=", root]

            def teamsheet(*arguments):
                return run([*inside, program, *arguments], env={})

            version = teamsheet("--version")
            self.assertRegex(version, r"^teamsheet \d+\.\d+\.\d+ \(commit 0123456789ab, features demo, object-store\)\n$")
            self.assertIn("Usage: teamsheet", teamsheet(*json.loads(settings["CMD"])))
            home = settings["WORKDIR"]
            teamsheet("demo", "--out", f"{home}/warehouse", "--days", "2")
            published = list((root / home.lstrip("/") / "warehouse").glob("sessions/event_date=*/*.parquet"))
            self.assertEqual(len(published), 2)
            self.assertEqual({path.stat().st_uid for path in published}, {int(user)})
            with self.assertRaises(AssertionError):
                teamsheet("demo", "--out", "/elsewhere")

    def lay(self, build, work):
        ignored = (ROOT / "jobs/Dockerfile.dockerignore").read_text().splitlines()
        kept = {line[1:] for line in ignored if line.startswith("!")}
        self.assertIn("*", ignored)
        work.mkdir()
        for keyword, rest in build:
            if keyword == "COPY":
                *sources, target = rest.split()
                for source in sources:
                    self.assertIn(source, kept)
                    if (ROOT / source).is_dir():
                        shutil.copytree(ROOT / source, work / target)
                    else:
                        shutil.copy(ROOT / source, work / target)

    def copy_from_build(self, words, out, root):
        self.assertEqual(words[0], "--from=build")
        owner = [word.removeprefix("--chown=").split(":") for word in words if word.startswith("--chown=")]
        source, target = words[-2:]
        source = out / source.removeprefix("/out/")
        target = root / target.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        for user, group in owner:
            os.chown(target, int(user), int(group))

    def add_libraries(self, root, program):
        """What the base image has of it: certificates of public authorities, and shared libraries."""
        certificates = root / "etc/ssl/certs/ca-certificates.crt"
        certificates.parent.mkdir(parents=True)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", certificates)
        for line in run(["ldd", program]).splitlines():
            path = next((word for word in line.split() if word.startswith("/")), None)
            if path is None:
                # the kernel's own
                self.assertIn("linux-vdso", line)
                continue
            self.assertIn(pathlib.Path(path).name, LIBRARIES)
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


if __name__ == "__main__":
    unittest.main()
