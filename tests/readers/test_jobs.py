"""What lies in jobs/ is what cron, logrotate, systemd and Kubernetes take; each is asked itself.

Rust's tests/it/jobs_parse.rs holds the commands in these files against the program.
"""

import copy
import gzip
import os
import pathlib
import subprocess
import tempfile
import unittest

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TEAMSHEET", ROOT / "target/debug/teamsheet")).resolve()
JOBS = ROOT / "jobs"
# systemd's own score of how much a service could do to the machine, from 0 to 100; without any setting it is 96
MOST_EXPOSURE = 20


def ask(*command, cwd=None):
    ended = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    return ended.returncode, ended.stdout + ended.stderr


class Jobs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_cron_takes_the_crontab(self):
        self.assertEqual(ask("crontab", "-n", JOBS / "crontab")[0], 0)
        broken = self.folder / "crontab"
        broken.write_text((JOBS / "crontab").read_text().replace("30 3 *", "30 24 *"))
        self.assertNotEqual(ask("crontab", "-n", broken)[0], 0)

    def test_logrotate_keeps_the_lines_of_a_run_that_is_under_way(self):
        log, config = self.folder / "nightly.log", self.folder / "logrotate"
        text = (JOBS / "logrotate").read_text()
        self.assertIn("\n/srv/teamsheet/nightly.log {", text)
        # without the date in the names: both rotations are of today
        config.write_text(text.replace("/srv/teamsheet", str(self.folder)).replace("    dateext\n", ""))
        config.chmod(0o644)
        with log.open("w") as running:
            running.write("begun before\n")
            running.flush()
            self.assertEqual(self.rotate(config), (0, ""))
            running.write("ended after\n")
        log.write_text("next night\n")
        self.assertEqual(self.rotate(config), (0, ""))
        self.assertEqual(gzip.open(self.folder / "nightly.log.2.gz", "rt").read(), "begun before\nended after\n")
        self.assertEqual((self.folder / "nightly.log.1").read_text(), "next night\n")
        self.assertEqual(log.read_text(), "")

    def rotate(self, config):
        return ask("logrotate", "--state", self.folder / "state", "--force", config)

    def unit(self, change=lambda text: text):
        for name in ("teamsheet.service", "teamsheet.timer"):
            text = (JOBS / name).read_text().replace("/usr/local/bin/teamsheet", str(BINARY))
            (self.folder / name).write_text(change(text))
        return ask("systemd-analyze", "verify", "--man=no", "./teamsheet.service", "./teamsheet.timer", cwd=self.folder)

    def test_systemd_takes_the_service_and_the_timer(self):
        self.assertEqual(self.unit(), (0, ""))
        for wrong in (("ProtectSystem=strict", "ProtectSystem=strickt"), ("OnCalendar=*-*-*", "OnCalendar=*-*-32")):
            _, printed = self.unit(lambda text: text.replace(*wrong))
            self.assertIn("Failed to parse", printed)

    def test_the_service_can_do_little_to_the_machine(self):
        self.unit()
        code, printed = ask("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "./teamsheet.service", cwd=self.folder)
        self.assertEqual(code, 0, printed)
        self.assertIn("ProtectSystem=strict\n", (JOBS / "teamsheet.service").read_text())

    def test_kubernetes_takes_the_manifest(self):
        documents = list(yaml.safe_load_all((JOBS / "kubernetes.yaml").read_text()))
        kinds = [document["kind"] for document in documents]
        self.assertEqual(kinds, ["Namespace", "ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "CronJob"])
        for document in documents:
            kubernetes_validate.validate(document, "1.37", strict=True)
            self.assertEqual(document["metadata"].get("namespace", "teamsheet"), "teamsheet")
        for change in (lambda spec: spec.update(concurencyPolicy="Forbid"), lambda spec: spec.update(schedule=3)):
            wrong = copy.deepcopy(documents[-1])
            change(wrong["spec"])
            with self.assertRaises(kubernetes_validate.ValidationError):
                kubernetes_validate.validate(wrong, "1.37", strict=True)

    def test_the_pod_is_what_its_namespace_and_workload_identity_want(self):
        _, account, config, claim, cron = yaml.safe_load_all((JOBS / "kubernetes.yaml").read_text())
        template = cron["spec"]["jobTemplate"]["spec"]["template"]
        pod, (container,) = template["spec"], template["spec"]["containers"]
        self.assertEqual(template["metadata"]["labels"]["azure.workload.identity/use"], "true")
        self.assertEqual(pod["serviceAccountName"], account["metadata"]["name"])
        self.assertIn(account["metadata"]["annotations"]["azure.workload.identity/client-id"], config["data"]["nightly.toml"])
        # the "restricted" pod security standard
        self.assertTrue(pod["securityContext"]["runAsNonRoot"])
        self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertFalse(container["securityContext"]["allowPrivilegeEscalation"])
        self.assertEqual(container["securityContext"]["capabilities"], {"drop": ["ALL"]})
        # exit status to what happens next: nothing that another try would not mend is tried again
        policy = cron["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][1]
        self.assertEqual(policy["onExitCodes"]["values"], [1, 2, 3, 4])
        self.assertEqual(policy["onExitCodes"]["containerName"], container["name"])
        mounted = {volume["name"]: volume for volume in pod["volumes"]}
        self.assertEqual(mounted["jobs"]["configMap"]["name"], config["metadata"]["name"])
        self.assertEqual(mounted["warehouse"]["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"])


if __name__ == "__main__":
    unittest.main()
