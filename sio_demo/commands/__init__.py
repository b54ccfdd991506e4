"""The commands of ``sio-demo``, one module each.

Each module has ``add(commands)``, which describes the arguments to argparse, and ``run(options)``,
which returns the exit code. A command imports what it needs when it runs, so that no command waits
for the imports of another.
"""
