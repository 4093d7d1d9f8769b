"""The invented cohort of the reference study: children, what happens to them, and the files."""
