"""The tables of a pull: what was read, how far, and what is still open.

The file is ``.study-fhir/pull.sqlite`` in the study folder and holds personal data: mode 0600.
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = "1"
metadata = sa.MetaData()

meta_table = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
# A child of the cohort file, and the id of its Patient on the server as soon as it is known.
child_table = sa.Table(
    "child",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("patient", sa.Text),
)
# One type of one child: `new`, then `open` until its last page is kept, then `done`.
crawl_table = sa.Table(
    "crawl",
    metadata,
    sa.Column("child", sa.Text, sa.ForeignKey("child.key"), primary_key=True),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, server_default="new"),
    sa.Column("since", sa.Text),  # the server's time that is asked from; all when there is none
    sa.Column("began", sa.Text),  # the next `since`: the server's time at the first page
    sa.Column("link", sa.Text),  # where the page stands that is read next
    sa.Column("failed", sa.Integer, nullable=False, server_default="0"),  # runs in a row
)
# The pages of a crawl, by hash of their link and of their content: a loop is seen, also later.
page_table = sa.Table(
    "page",
    metadata,
    sa.Column("child", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("mark", sa.Text, primary_key=True),
)
resource_table = sa.Table(
    "resource",
    metadata,
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("patient", sa.Text, nullable=False),  # "" for what belongs to no child alone
    sa.Column("version", sa.Text),
    sa.Column("updated", sa.Text),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Index("resource_patient", "patient"),
)
# What is to be put right where it was used before: deleted, in error, merged, not understood.
change_table = sa.Table(
    "reconcile",
    metadata,
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("patient", sa.Text, nullable=False),
)
# The bulk export that is under way; `since` is its own, `next_since` that of the one after it.
job_table = sa.Table(
    "job",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("query", sa.Text, nullable=False),  # group and types: another one starts anew
    sa.Column("link", sa.Text),  # where its state is asked for; None when there is none
    sa.Column("since", sa.Text),
    sa.Column("next_since", sa.Text),
    sa.Column("is_ready", sa.Boolean, nullable=False, server_default="0"),
    sa.Column("needs_token", sa.Boolean),
    sa.Column("failed", sa.Integer, nullable=False, server_default="0"),  # runs in a row
    sa.Column("partial", sa.Boolean, nullable=False, server_default="0"),
)
file_table = sa.Table(
    "file",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),  # output, deleted or outcome
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("count", sa.Integer),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
)
run_table = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("started", sa.Text, nullable=False),
    sa.Column("ended", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("counts", sa.Text),
)
