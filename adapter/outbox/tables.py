"""The tables of the outbox, for SQLite and PostgreSQL.

A row of ``change`` is a resource on a server: what is wanted there, and what the server
acknowledged. Its state is one that a person can look at:

    new        wanted, not acknowledged yet (its lease says whether it is on its way)
    sent       was on its way when its worker vanished: we look before we send again
    unknown    the answer proved nothing: look first
    done       acknowledged; the server holds this content
    dead       refused; ``reason`` says why
    parked     its type is closed to us on this server; ``reason`` says why
    dropped    given up, by a person or as its row is held back or gone; ``reason`` says why
    withdrawn  taken back: only the hash is left
"""

from __future__ import annotations

from enum import IntEnum

import sqlalchemy as sa

SCHEMA_VERSION = "5"
PENDING = ("new", "sent", "unknown")
IN_DOUBT = ("sent", "unknown")  # it may have arrived
SETTLED = ("done", "withdrawn")
REFUSED = ("dead", "parked")
metadata = sa.MetaData()


class Stage(IntEnum):
    """When a change is sent: a stage begins when the one before is through.

    What refers to others is written after them and deleted before them, since servers refuse to
    delete what something else still names. https://hl7.org/fhir/R4/http.html#delete
    """

    STUDY = 0  # what belongs to the study as a whole
    SUBJECT = 1
    LIST = 2  # what lists subjects, written or deleted
    RECORD = 3  # Provenance
    SUBJECT_DELETION = 4
    STUDY_DELETION = 5
    AUDIT = 6  # AuditEvent: when a run is over


meta_table = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
server_table = sa.Table(
    "server",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("uuid", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
)
change_table = sa.Table(
    "change",
    metadata,
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),  # "" for what belongs to the study as a whole
    sa.Column("stage", sa.Integer, nullable=False, server_default="1"),  # a Stage
    sa.Column("action", sa.Text, nullable=False, server_default="put"),  # put or delete
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),  # writes that were answered
    sa.Column("acked_hash", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("source", sa.Text),  # the source of study.yaml that its rows came from
    sa.Column("place", sa.Text),  # Type/id on a server that gives ids of its own
    # hashes of what was sent and not acknowledged: it may still arrive, and it is ours
    sa.Column("in_flight", sa.Text, nullable=False, server_default=""),
    sa.Index("change_state", "server", "state", "stage", "subject"),
    sa.Index("change_subject", "server", "subject"),
)
# Who works on which subject. A fence grows with each owner: an owner of the past writes nothing.
lease_table = sa.Table(
    "lease",
    metadata,
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),  # "" when nobody holds it
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("until", sa.Float, nullable=False),  # seconds of the clock that all owners share
    # what the owner has on its way, a line each: the reference and the hash of its content
    sa.Column("sending", sa.Text, nullable=False, server_default=""),
)
run_table = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("started", sa.Text, nullable=False),
    sa.Column("ended", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("counts", sa.Text),
)
attempt_table = sa.Table(
    "attempt",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("entries", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),  # done, unknown, refused, conflict
    sa.Column("proven", sa.Integer, nullable=False),
    sa.Column("status", sa.Integer),  # HTTP
)
# What a server answered to what it refused, until that is done or given up: see refusals.py.
refusal_table = sa.Table(
    "refusal",
    metadata,
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("status", sa.Integer, nullable=False),  # HTTP
    sa.Column("issues", sa.Text, nullable=False),  # JSON: codes and places, no words
    sa.Column("said", sa.LargeBinary, nullable=False),  # JSON: the words, which may hold values
)
# What a server taught us: limits, what a probe found, types of which it gives the ids.
learnt_table = sa.Table(
    "learnt",
    metadata,
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
# What a server made of what it acknowledged, where that differs: see normalising.py.
normalised_table = sa.Table(
    "normalised",
    metadata,
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, nullable=False),  # the acknowledged one that it was seen at
    sa.Column("hash", sa.Text, nullable=False),  # of what is held, as FHIR compares it
)
# A withdrawn subject: nothing of it is sent again. Only the pseudonymous id is kept.
tombstone_table = sa.Table(
    "tombstone",
    metadata,
    sa.Column("server", sa.Integer, sa.ForeignKey("server.id"), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("proven", sa.Boolean, nullable=False),
    sa.Column("remains", sa.Text, nullable=False),  # JSON: what the server keeps, by reference
)
# One line a thing done, each with the hash of the one before it: see ledger.py.
ledger_table = sa.Table(
    "ledger",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("line", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
