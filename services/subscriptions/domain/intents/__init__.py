"""Intent detection for citizens' messages: lenient for stopping, strict for starting, and pure.

Only words listed in this package, spelled exactly so, subscribe anybody; a merely similar word leads to a question. For
stopping a similar word is enough.
"""
