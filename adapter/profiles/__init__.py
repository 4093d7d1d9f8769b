"""Our profiles as FHIR NPM packages, and onto a server that takes definitions."""

from adapter.profiles.package import build as build
from adapter.profiles.push import ProfilesPushed as ProfilesPushed
from adapter.profiles.push import push as push
