"""The commands of ``sio-demo``, a module each.

Each has ``add(commands)``, which describes its arguments, and leaves the function that runs it as
``run``: it takes what argparse has read and gives the exit code. What a command needs is imported
when it runs, so that no command waits for another's imports.
"""
