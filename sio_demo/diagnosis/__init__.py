"""Count in your own application, and find the causes of duplicates or losses that fit.

>>> seen = observe(sio)              # a server, a client, or both
>>> print(diagnose(seen.message("news")))
"""

from .diagnose import Diagnosis, diagnose
from .observe import Observer, observe, snippet
from .seen import Clues, Seen

__all__ = ["Clues", "Diagnosis", "Observer", "Seen", "diagnose", "observe", "snippet"]
