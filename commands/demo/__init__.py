"""The demo workspace: Matvey's bakery in Novgorod with its staff, 200 clients, two months of history and live traffic.

Everybody and every number in it is invented. `run_demo` in commands/demo/run.py is the way in.
"""
