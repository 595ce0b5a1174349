"""The real program with a PostgreSQL of its own in a temporary folder, on a free port."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "target" / "debug" / "bailiwick"
GREETING = "Bailiwick listens on "
LAST_LINE = "Ctrl-C stops it."
SETTINGS = {
    "BAILIWICK_LISTEN": "127.0.0.1:0",
    "BAILIWICK_METRICS_LISTEN": "off",
    "BAILIWICK_RATE_LIMITS": "off",
    "BAILIWICK_LOG": "warn",
    "BAILIWICK_SECURITY_CONTACT": "mailto:security@example.org",
}


class Service:
    """Runs while it is entered; `base` is its address, `mail` the folder of its mail. What it logs goes to the file `log`."""

    def __init__(self, log: Path):
        self.log = log

    def __enter__(self) -> "Service":
        self.folder = tempfile.TemporaryDirectory(prefix="bailiwick-openapi-")
        # PostgreSQL does not run as root: its account has to come in.
        os.chmod(self.folder.name, 0o755)
        self.mail = Path(self.folder.name) / ".bailiwick" / "mail"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BAILIWICK_", "DATABASE_URL"))}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [PROGRAM], cwd=self.folder.name, env=inherited | SETTINGS, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.base = ""
        # To its end: nobody may be left writing into a pipe without a reader.
        for line in self.process.stdout:
            if line.startswith(GREETING):
                self.base = line.removeprefix(GREETING).strip()
            if line.strip() == LAST_LINE:
                return self
        raise RuntimeError(f"the service did not start; see {self.log}")

    def __exit__(self, *_) -> None:
        # In order, so that its PostgreSQL ends with it.
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        self.folder.cleanup()
