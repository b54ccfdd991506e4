"""Make the virtual environment that every make target runs in: python3 .ci/setup.py [VENV].

This file only sees to it that Python is new enough; the work is in environment.py. It keeps to
the syntax of Python 2.7, so that an old Python can say what is wrong with it.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11")


def refusal(version):
    """Return why this version of Python will not do, and the remedy; None if it will."""
    if tuple(version[:2]) >= OLDEST:
        return None
    found = [name for name in NEWER if starts(name)]
    remedy = "make lab PYTHON=" + (found or NEWER)[0]
    if not found:
        remedy = "install a newer Python (python.org, conda, pyenv), then " + remedy
    return "sio-demo: Python {0}.{1} or newer is needed; this is {2}.{3}.\nRemedy: {4}".format(
        OLDEST[0], OLDEST[1], version[0], version[1], remedy
    )


def starts(python):
    """Return whether a Python of this name is on PATH and starts."""
    try:
        with open(os.devnull, "w") as nowhere:
            return subprocess.call([python, "-c", ""], stdout=nowhere, stderr=nowhere) == 0
    except OSError:
        return False


if __name__ == "__main__":
    if refusal(sys.version_info):
        sys.exit(refusal(sys.version_info))
    import environment

    sys.exit(environment.main(sys.argv[1:]))
