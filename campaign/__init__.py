"""The fault campaign: kills, damage, hostile files and clients, and what swissbert makes of them.

``make campaign`` runs every part at full length and writes ``results/campaign``; ``make test`` runs the short form of each.
A part is a module of this package with a table ``TRIALS``; `frame.PARTS` names the parts.
"""
