from __future__ import annotations

import mappings


def test_the_public_names() -> None:
    assert mappings.__all__ == [
        "Context",
        "Resource",
        "load_default_context",
        "map_entity",
        "map_subject",
    ]
    assert all(hasattr(mappings, name) for name in mappings.__all__)
