from ghostie.cli import run

run()
