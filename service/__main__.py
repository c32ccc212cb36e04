"""`python -m service` is `sensorium serve`."""

import sys

from service.stopping import end_at_once

if __name__ == "__main__":
    end_at_once()
    from service.cli import cli

    cli(["serve", *sys.argv[1:]], prog_name="python -m service")
