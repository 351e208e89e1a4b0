"""The service that a run asks, with all that its configuration says filled in."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from parallel_transcription.errors import InputError
from parallel_transcription.measure.clients import Service
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.services import WYOMING, ServiceOfStudy, filled


def service_of(
    configuration: Configuration,
    told: Mapping[str, Any] | None,
    model_folder: str,
    timeout_s: float,
) -> Service | None:
    """The service of a run; None for the library's own models.

    Args:
        configuration: Of the run.
        told: By the plan: a `ServiceOfStudy`.
        model_folder: The prepared model's.
        timeout_s: The longest that an answer may take.

    Raises:
        InputError: where the plan tells of none.
    """
    if configuration.strategy != "service":
        return None
    if told is None:
        raise InputError("a service is measured by a study, which says how it is started and asked")
    service = ServiceOfStudy(**told)

    def fill(text: str) -> str:
        return filled(text, configuration, model_folder)

    fields = {name: fill(value) for name, value in service.fields.items()}
    return Service(
        name=configuration.service,
        protocol="wyoming" if service.protocol == WYOMING else "http",
        url=fill(service.url),
        command=[fill(word) for word in shlex.split(service.command)] or None,
        ready=fill(service.ready) or None,
        path=fill(service.path),
        file_field=service.file_field,
        # a language that is to be found out is not named
        fields={name: value for name, value in fields.items() if value not in ("", "auto")},
        text=service.text,
        environment={name: fill(value) for name, value in service.env.items()},
        timeout_s=timeout_s,
    )


def as_kept(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan tells of a service as records keep it: without what its environment may hold."""
    return {key: value for key, value in told.items() if key != "env"}
