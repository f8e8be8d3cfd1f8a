"""What the window says while something goes on, in the person's language."""

from __future__ import annotations

from slicer.i18n import tr as _


def stageName(stage: str) -> str:
    """A stage of a run."""
    names = {
        "open": _("Opening the model"),
        "read": _("Reading the image"),
        "prepare": _("Preparing"),
        "network": _("Network"),
        "post-process": _("Cleaning up"),
        "write": _("Writing the segments"),
        "measure": _("Measuring"),
        "phantom": _("Making the synthetic image"),
    }
    return names.get(stage, stage)


def duration(seconds: float) -> str:
    """Rounded time left."""
    whole = round(seconds)
    if whole < 90:
        return _("{count} s").format(count=whole)
    return _("{minutes} min {seconds:02d} s").format(minutes=whole // 60, seconds=whole % 60)


def progressText(moment) -> str:
    """Stage, share and time left of a `medseg.Progress`."""
    text = stageName(moment.stage)
    if moment.total > 1:
        text = _("{stage}: slice {done} of {total}").format(stage=text, done=moment.done, total=moment.total)
    text = f"{text}, {moment.fraction:.0%}"
    if moment.seconds_left is not None and moment.fraction < 1:
        text = _("{text}, about {time} left").format(text=text, time=duration(moment.seconds_left))
    return text


def resultText(engineResult) -> str:
    """One or two sentences about what was found."""
    millilitres = engineResult.labels.voxel_volume_mm3 / 1000
    smallest = engineResult.card.postprocessing.minimum_part_mm3
    found, absent, removed = [], [], False
    for info in engineResult.segments:
        voxels = engineResult.voxel_counts[info.value]
        if voxels:
            found.append(_("{name} {volume:.1f} ml").format(name=info.name, volume=voxels * millilitres))
        else:
            removed |= engineResult.highest_probability[info.value] >= (engineResult.card.output.threshold or 0.5)
            absent.append(
                _("{name} (highest probability {probability:.2f})").format(
                    name=info.name, probability=engineResult.highest_probability[info.value]
                )
            )
    if found:
        text = _("Found {names}.").format(names=", ".join(found))
    else:
        text = _("Nothing was found.")
    if absent:
        text = _("{text} Not found: {names}.").format(text=text, names=", ".join(absent))
    if removed and smallest:
        text += " " + _("The clean-up removes parts smaller than {volume:g} mm³.").format(volume=smallest)
    return text


def stateName(state: str) -> str:
    """The state of a run in a table."""
    names = {
        "waiting": _("waiting"),
        "running": _("running"),
        "cancelling": _("stopping"),
        "done": _("done"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
    }
    return names.get(state, state)
