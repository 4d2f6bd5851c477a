"""The tables of measured figures on the reference page of the detectors, by the mark where each stands."""

from __future__ import annotations

PORTAL = """\
| measured | figure | near-optimum | plain k·σ over 1 s |
|---|---|---|---|
| found in 90 %, no shadow, 1e-3 / 1e-4 false alarms \
| d = {portal_flat_d90_1e3:.2f} / {portal_flat_d90_1e4:.2f} | 4.94 / 5.54 | 5.99 / 6.77 |
| found in 90 %, 5–25 % shielded, 1e-3 / 1e-4 \
| d = {portal_dip_d90_1e3:.2f} / {portal_dip_d90_1e4:.2f} | 7.89 / 9.00 | 16.8 / 17.7 |
| low-energy source, d = 6, two windows, 5 % of vehicles with NORM, 1 % / 0.1 % false alarms \
| {portal_norm_pd_1pct:.2f} / {portal_norm_pd_01pct:.2f} found | 0.97 / 0.90 | |
| neutron counts of a pass found in 90 %, 1e-4 | {neutron_m90:.1f} | 21.8 | |
| false alarms (gamma and neutron together) per clean occupancy at the threshold for 1e-3 of each \
| {portal_false_share_1e3:.1e}, at most {portal_false_upper_1e3:.1e} (95 %) | | |
| the same at the default, 1e-4 of each | at most {portal_false_upper:.1e} (95 %) | | |
"""

AREA = """\
| measured (10 counts/s, one reading a second, a day of background) | figure | best possible |
|---|---|---|
| mean delay at +5 % (standard error) | {area_delay_5_s:.0f} s ({area_delay_5_s_se:.0f}) | 643 s |
| at +10 % | {area_delay_10_s:.0f} s ({area_delay_10_s_se:.0f}) | 191 s |
| at +20 % | {area_delay_20_s:.1f} s ({area_delay_20_s_se:.1f}) | 56.5 s |
| at +50 % | {area_delay_50_s:.1f} s ({area_delay_50_s_se:.1f}) | 11.5 s |
| at +100 % | {area_delay_100_s:.2f} s ({area_delay_100_s_se:.2f}) | 3.7 s |
| mean time to find a ramp of 10 % an hour | {area_ramp_min:.0f} min | 27 min, with the slope known |
| false alarms a week, one allowed \
| {area_false_per_week:.1f} ({area_false_per_week_low:.1f}–{area_false_per_week_high:.1f}; \
{area_false_alarms:.0f} in {area_false_weeks:.0f} weeks) | |
"""

ACCESS = """\
| measured (people mistype in bursts: 0.5 denials per hour, 35 % try again after 6 s on average) | figure |
|---|---|
| attempts until the detection at 60 per hour, mean of 600: many badges, one badge, reader that names none \
| {bruteforce_attempts_many:.2f}, {bruteforce_attempts_one:.2f}, {bruteforce_attempts_unnamed:.2f} |
| attempts at 6 per hour, many badges | {bruteforce_attempts_slow:.1f} |
| false alarms per reader and 30 days, allowed 1: badges named, not named (300 reader-months each) \
| {bruteforce_false_per_reader_30d:.2f} \
({bruteforce_false_per_reader_30d_low:.2f}–{bruteforce_false_per_reader_30d_high:.2f}), \
{bruteforce_false_per_reader_30d_unnamed:.2f} \
({bruteforce_false_per_reader_30d_unnamed_low:.2f}–{bruteforce_false_per_reader_30d_unnamed_high:.2f}) |
| delay of `access.forced` after the opening | `grace_s`, 1 s |
"""

BADGES = """\
| measured (24 doors, Dirichlet habits of 0.3 a door, 4.5 uses a day) | figure (95 %) |
|---|---|
| clones found, 4 uses, 30 days of history (7 200 sessions; known habit: 0.86) \
| {clone_pd:.3f} ({clone_pd_low:.3f}–{clone_pd_high:.3f}) |
| false alarms: per session of four uses; per four uses of normal life \
| {clone_far:.3f} ({clone_far_low:.3f}–{clone_far_high:.3f}); \
{clone_far_stream:.3f} ({clone_far_stream_low:.3f}–{clone_far_stream_high:.3f}) |
| passback, 4 entries of a clone, owner inside with 0.595; false alarms per person-day \
| {passback_pd:.3f} ({passback_pd_low:.3f}–{passback_pd_high:.3f}); \
{passback_far:.2g}, at most {passback_far_high:.4f} |
| the same with 2 % of the exits unread (floor without inference: 0.02) \
| {passback_pd_unread:.2f} ({passback_pd_unread_low:.2f}–{passback_pd_unread_high:.2f}); {passback_far_unread:.3f} |
| impossible travel, pairs below and above the least time (4 000) | {travel_found:.0%}, {travel_false:.0%} |
| strangers at night, 4 uses; false alarms per person-day with a call every 50 nights \
| {after_hours_pd:.2f} ({after_hours_pd_low:.2f}–{after_hours_pd_high:.2f}); \
{after_hours_far:.4f} ({after_hours_far_low:.4f}–{after_hours_far_high:.4f}) |
"""

PERIMETER = """\
| measured (three layers, 1 km, 20 sections of 50 m, layers 8.5 m apart) | figure (95 %) |
|---|---|
| share of 9 600 intruders found as a crossing \
| {perimeter_pd:.3f} ({perimeter_pd_low:.3f}–{perimeter_pd_high:.3f}) |
| false crossings a km and day, in 1 000 days | {perimeter_nuisance_km_day:.2f} \
({perimeter_nuisance_km_day_low:.2f}–{perimeter_nuisance_km_day_high:.2f}) |
| crossings of an intruder who is found | {perimeter_alarms_per_intruder:.3f} |
"""

INTEGRITY = """\
| measured, 29 sensors of all kinds, ten days of life, then the attack | found of 29 |
|---|---|
| frozen for two days, all channels | {integrity_frozen_found:.0f} |
| a copy of two days, from two days before | {integrity_replayed_found:.0f} |
| silent | {integrity_silent_found:.0f} |
| written: counts with half their scatter, gauges with smooth noise, doors with equal openings \
| {integrity_spoofed_found:.0f} |
| clock an hour behind or two ahead | {integrity_clock_found:.0f} |
| false alarms of frozen, replayed and spoofed per 1 000 sensor-days, in {integrity_sensor_days:,.0f} of them (95 %) \
| {integrity_false_per_1000_sensor_days:.1f} \
({integrity_false_per_1000_sensor_days_lower:.1f}–{integrity_false_per_1000_sensor_days_upper:.1f}) |
"""

PROCESS = """\
| measured (HUBWATCH_DATA names the folder of the data sets) | figure |
|---|---|
| BATADAL dataset04 (4 177 hours, 7 attacks), fitted on dataset03 with the defaults: S | {batadal04_s:.3f} |
| the same: share of normal hours without an alarm (TNR), of attacked hours with one (TPR) \
| {batadal04_tnr:.3f}, {batadal04_tpr:.3f} |
"""

SERIES = """\
| measured | figure |
|---|---|
| NAB, the 17 files of realAWSCloudwatch, standard profile, defaults for all files (the development set of `novelty`) \
| {nab_aws:.1f} |
| the same: anomalous windows found, detections outside all windows (236 days of series) \
| {nab_aws_found:.0f} of {nab_aws_windows:.0f}, {nab_aws_outside:.0f} |
"""

TABLES = {
    "portal": PORTAL,
    "area": AREA,
    "access": ACCESS,
    "badges": BADGES,
    "perimeter": PERIMETER,
    "integrity": INTEGRITY,
    "process": PROCESS,
    "series": SERIES,
}
