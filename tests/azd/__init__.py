"""A rehearsed Azure: azd, unchanged, deploys this project to services that are played on loopback.

`azure.py` wires them; each has a module of its own. What nobody plays is answered with an error and
remembered, so that a rehearsal never passes by accident.
"""
