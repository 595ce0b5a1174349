"""The real program with a PostgreSQL of its own in a temporary folder, on a free port."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "target" / "debug" / "bailiwick"
GREETING = "Bailiwick listens on "
METRICS = "Metrics "
LAST_LINE = "Ctrl-C stops it."
SETTINGS = {
    "BAILIWICK_LISTEN": "127.0.0.1:0",
    "BAILIWICK_METRICS_LISTEN": "127.0.0.1:0",
    "BAILIWICK_RATE_LIMITS": "off",
    # All that it says of itself.
    "BAILIWICK_LOG": "bailiwick=trace,warn",
    "BAILIWICK_SECURITY_CONTACT": "mailto:security@example.org",
}


class Service:
    """Runs while it is entered; `base` is its address, `mail` the folder of its mail. What it logs goes to the file `log`, and what it
    says besides stands in `printed`."""

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
        self.base = self.metrics = self.printed = ""
        # To its end: nobody may be left writing into a pipe without a reader.
        for line in self.process.stdout:
            self.printed += line
            if line.strip().startswith(METRICS):
                self.metrics = line.strip().removeprefix(METRICS).strip()
            if line.startswith(GREETING):
                self.base = line.removeprefix(GREETING).strip()
            if line.strip() == LAST_LINE:
                return self
        raise RuntimeError(f"the service did not start; see {self.log}")

    def stop(self) -> list[Path]:
        """Ends it, and answers all files that it and its PostgreSQL leave, but for the mail."""
        # In order, so that its PostgreSQL ends with it.
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        files = Path(self.folder.name).rglob("*")
        return [file for file in files if file.is_file() and not file.is_relative_to(self.mail)]

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.stop()
        self.folder.cleanup()
