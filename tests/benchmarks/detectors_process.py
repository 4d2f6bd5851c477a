"""Plants and single gauges, on published data sets.

- `batadal04_s`, `batadal04_tnr`: BATADAL's dataset04 with a model fitted on dataset03, and `batadal04_tpr`; the model's
  thresholds come from dataset03 alone;
- `batadal04_tpr_0.01` and alike, with `batadal04_tnr_0.01`: with so large a share of the history that would alarm;
- `nab_aws`: NAB's score, standard profile, of the realAWSCloudwatch group with the default setting for all files;
  `nab_aws_found` of `nab_aws_windows`, and `nab_aws_outside`, the detections outside all windows;
- `nab_aws_score_0.6`, `nab_aws_share_0.6` (found of the windows), `nab_aws_outside_0.6` and alike: with so high a
  `novelty`.

The data sets are not part of the repository: `HUBWATCH_DATA` names the folder that holds `batadal` and `nab-aws`.
"""

from __future__ import annotations

from benchmarks.result import Progress
from hubwatch_detectors.process.model import fit
from hubwatch_detectors.process.series import SeriesConfig
from support import batadal_score, nab_score
from support.plant_data import alarmed_hours, data_folder, nab_group, names_in_model

FALSE_SHARES = (0.003, 0.01, 0.03, 0.1)
NOVELTIES = (0.4, 0.6, 0.9, 1.3, 2.0, 3.0)


async def measure(progress: Progress) -> dict[str, float]:
    """Return the figures; raises Permanent where a data set is missing."""
    return {**_batadal(progress), **_nab(progress)}


def _batadal(progress: Progress) -> dict[str, float]:
    folder = data_folder("batadal")
    progress("BATADAL: fitting dataset03, judging dataset04")
    normal, test = (batadal_score.read(folder / f"dataset{n}.csv") for n in ("03", "04"))
    model = fit(normal.rows, names_in_model(normal.signals), period_s=3600)
    reached = batadal_score.score(alarmed_hours(model, test), test.attacked)
    figures = {"batadal04_s": reached.s, "batadal04_tnr": reached.quiet_rate, "batadal04_tpr": reached.found_rate}
    for share in FALSE_SHARES:
        model = fit(normal.rows, names_in_model(normal.signals), period_s=3600, false_share=share)
        reached = batadal_score.score(alarmed_hours(model, test), test.attacked)
        figures |= {f"batadal04_tpr_{share}": reached.found_rate, f"batadal04_tnr_{share}": reached.quiet_rate}
    return figures


def _nab(progress: Progress) -> dict[str, float]:
    progress("NAB: 17 files of the realAWSCloudwatch group")
    scores = nab_group(SeriesConfig())
    curve: dict[str, float] = {}
    for novelty in NOVELTIES:
        other = nab_group(SeriesConfig(novelty=novelty))
        curve |= {
            f"nab_aws_score_{novelty}": nab_score.normalised(other),
            f"nab_aws_share_{novelty}": sum(each.found for each in other) / sum(each.windows for each in other),
            f"nab_aws_outside_{novelty}": sum(each.outside for each in other),
        }
    return curve | {
        "nab_aws": nab_score.normalised(scores),
        "nab_aws_found": sum(each.found for each in scores),
        "nab_aws_windows": sum(each.windows for each in scores),
        "nab_aws_outside": sum(each.outside for each in scores),
    }
