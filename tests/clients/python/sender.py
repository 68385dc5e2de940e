"""Profiles itself with Pyroscope's SDK for a moment: `sender.py URL SERVICE`. Needs the packages of requirements.txt."""

import sys
import time

import pyroscope


def spin(until):
    x = 1
    while time.monotonic() < until:
        for _ in range(10_000):
            x = x * 2862933555777941757 % 2**64
    return x


def main():
    url, service = sys.argv[1:]
    pyroscope.configure(application_name=service, server_address=url, tags={"region": "eu"}, upload_interval=1)
    spin(time.monotonic() + 4)
    pyroscope.shutdown()


if __name__ == "__main__":
    main()
