"""Where a value came from: for any element of any resource, the cells, lines and rules behind it.

What decides an element is found by changing one value at a time and mapping again; so no mapping
has to say anything for it, and the answer holds whatever a mapping does inside.
"""

from adapter.explain.explain import explain
from adapter.explain.explanation import Element, Explanation, Source

__all__ = ["Element", "Explanation", "Source", "explain"]
