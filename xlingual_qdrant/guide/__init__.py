"""Which embedding model to take: facts about models, and measuring them on this machine.

`catalogue.py` reads the facts (`models.toml`), `installed.py` finds what is on this machine,
`bench.py` measures embedders, each in a process of its own (`worker.py`).
"""
