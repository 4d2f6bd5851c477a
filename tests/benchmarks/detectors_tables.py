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
| median time from the closest approach of a source, d = 8, to the detection (as the vehicle leaves) \
| {portal_delay_s:.1f} s | | |
| no occupancy signal: gamma false alarms in a day | {portal_continuous_false_per_day:.0f} | | |
"""

CHEMICAL = """\
| measured (0.5 ppm in clean air, one reading a second, noise of 0.15 ppm, daily swing of 0.1 ppm) | figure (95 %) |
|---|---|
| leaks that rise by 0.05 / 0.1 / 0.2 ppm an hour, found within 4 h (40 of each) \
| {chemical_found_0.05:.2f} ({chemical_found_0.05_low:.2f}–{chemical_found_0.05_high:.2f}) / \
{chemical_found_0.1:.2f} ({chemical_found_0.1_low:.2f}–{chemical_found_0.1_high:.2f}) / \
{chemical_found_0.2:.2f} ({chemical_found_0.2_low:.2f}–{chemical_found_0.2_high:.2f}) |
| rise when a leak of 1 / 5 / 20 / 60 ppm an hour is found, mean (a device's first alarm for H₂S is at 5 ppm) \
| {chemical_level_1:.2f} / {chemical_level_5:.2f} / {chemical_level_20:.2f} / {chemical_level_60:.2f} ppm |
| false rises a day of one concentration, 0.01 allowed (in {chemical_days:.0f} days) \
| {chemical_false_per_day:.2f}, at most {chemical_false_per_day_high:.2f} |
"""

SCREENING = """\
| measured (vehicles come at random, 20 s from portal to scanner, 60 s given; 2 % pass the scanner by) | figure (95 %) |
|---|---|
| of these told within 3 min, at 30 / 60 / 120 vehicles an hour \
| {screening_found_30:.2f} ({screening_found_30_low:.2f}–{screening_found_30_high:.2f}) / \
{screening_found_60:.2f} ({screening_found_60_low:.2f}–{screening_found_60_high:.2f}) / \
{screening_found_120:.2f} ({screening_found_120_low:.2f}–{screening_found_120_high:.2f}) |
| told in vain, or later, for each 1 000 vehicles \
| {screening_false_30:.1f} ({screening_false_30_low:.1f}–{screening_false_30_high:.1f}) / \
{screening_false_60:.1f} ({screening_false_60_low:.1f}–{screening_false_60_high:.1f}) / \
{screening_false_120:.1f} ({screening_false_120_low:.1f}–{screening_false_120_high:.1f}) |
| vehicles until it is told that none is scanned, where 10 / 20 / 50 % should be, mean \
| {screening_vehicles_10:.0f} / {screening_vehicles_20:.0f} / {screening_vehicles_50:.0f} |
| the same told in vain in 20 000 vehicles of which a fifth is scanned, 2 allowed | {screening_share_false:.0f} |
| scans until a scanner is told that no longer alarms, and used to in one of 50, mean \
| {screening_quiet_scans:.0f} ({screening_quiet_scans_low:.0f}–{screening_quiet_scans_high:.0f}) |
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

FROZEN = """\
| measured | figure |
|---|---|
| found of 29 sensors of all kinds that stand still for two days, all channels, after ten days of life \
| {integrity_frozen_found:.0f} |
| false alarms in a million samples of a working channel (100 counts a sample) | {frozen_false:.0f} |
| delay with 100 samples of history at 5 Hz, median | {frozen_delay_s:.1f} s |
"""

PRESENCE = """\
| measured | figure (95 %) |
|---|---|
| found of 29 sensors of all kinds: silent; with a clock an hour behind or two ahead \
| {integrity_silent_found:.0f}; {integrity_clock_found:.0f} |
| silent sensor, from its last reading: read each second / each 10 s / each minute / each 10 min, mean \
| {silent_delay_1:.1f} / {silent_delay_10:.0f} / {silent_delay_60:.0f} / {silent_delay_600:,.0f} s |
| called silent in vain, per 1 000 sensor-days, with 1 / 5 / 10 % of the readings lost (one a minute) \
| at most {silent_false_1_high:.1f} / {silent_false_5:.1f} ({silent_false_5_low:.1f}–{silent_false_5_high:.1f}) / \
{silent_false_10:.0f} ({silent_false_10_low:.0f}–{silent_false_10_high:.0f}) |
| agent that is cut off, from its last frame, mean | {offline_delay:.1f} s |
"""

REPLAYED = """\
| measured, 29 sensors of all kinds | figure |
|---|---|
| found of 29: a copy of two days, from two days before, after ten days of life | {integrity_replayed_found:.0f} |
"""

SPOOFED = """\
| measured, 29 sensors of all kinds, ten days of life, then the attack | figure |
|---|---|
| found of 29: counts with half their scatter, gauges with smooth noise, doors with equal openings \
| {integrity_spoofed_found:.0f} |
| false alarms of frozen, replayed and spoofed per 1 000 sensor-days, in {integrity_sensor_days:,.0f} of them (95 %) \
| {integrity_false_per_1000_sensor_days:.1f} \
({integrity_false_per_1000_sensor_days_lower:.1f}–{integrity_false_per_1000_sensor_days_upper:.1f}) |
"""

BOUNDS = """\
| measured | figure (95 %) |
|---|---|
| told of 2 / 3 values in a row that cannot be (100 stretches each) | {range_found_2:.0%} / {range_found_3:.0%} |
| delay of these, read each second / each minute | {range_delay_1:.0f} / {range_delay_60:.0f} s |
| channel left out, from its last reading: read each second / each 10 s / each minute \
| {gap_delay_1:.0f} / {gap_delay_10:.0f} / {gap_delay_60:.0f} s |
| gaps told in vain per 1 000 channel-days, with 20 / 30 / 40 % of the readings lost (one a minute) \
| at most {gap_false_20_high:.0f} / {gap_false_30:.0f} ({gap_false_30_low:.0f}–{gap_false_30_high:.0f}) / \
{gap_false_40:.0f} ({gap_false_40_low:.0f}–{gap_false_40_high:.0f}) |
"""

EXPECTED = """\
| measured | figure (95 %) |
|---|---|
| lane steps that never come (2 % of 6 000 vehicles, 60 s given), told within 3 min, at 30 / 60 / 120 vehicles an hour \
| {lane_found_30:.2f} ({lane_found_30_low:.2f}–{lane_found_30_high:.2f}) / \
{lane_found_60:.2f} ({lane_found_60_low:.2f}–{lane_found_60_high:.2f}) / \
{lane_found_120:.2f} ({lane_found_120_low:.2f}–{lane_found_120_high:.2f}) |
| told in vain, or later, for each 1 000 vehicles \
| {lane_false_30:.1f} ({lane_false_30_low:.1f}–{lane_false_30_high:.1f}) / \
{lane_false_60:.1f} ({lane_false_60_low:.1f}–{lane_false_60_high:.1f}) / \
{lane_false_120:.1f} ({lane_false_120_low:.1f}–{lane_false_120_high:.1f}) |
| the same where all come, but queue before the step (45 vehicles an hour, 60 s each, 15 min given) \
| {queue_false:.1f} ({queue_false_low:.1f}–{queue_false_high:.1f}) |
| grants until a dead contact is told, where people leave 1 / 5 / 20 % unused, mean \
| {grants_needed_1:.1f} / {grants_needed_5:.1f} / {grants_needed_20:.1f} |
| the same told in vain in 20 000 grants, 5 % of them unused | {grants_false:.0f} |
| occupancies without a vehicle found, at 300 / 1 000 / 2 000 counts/s (shadows of 5–25 %, 10 s) \
| {shadow_found_300:.2f} ({shadow_found_300_low:.2f}–{shadow_found_300_high:.2f}) / \
{shadow_found_1000:.2f} ({shadow_found_1000_low:.2f}–{shadow_found_1000_high:.2f}) / \
{shadow_found_2000:.2f} ({shadow_found_2000_low:.2f}–{shadow_found_2000_high:.2f}) |
| the same where one occupancy in twenty is such, so that those that are missed are learned from \
| {shadow_among_300:.2f} ({shadow_among_300_low:.2f}–{shadow_among_300_high:.2f}) / \
{shadow_among_1000:.2f} ({shadow_among_1000_low:.2f}–{shadow_among_1000_high:.2f}) / \
{shadow_among_2000:.2f} ({shadow_among_2000_low:.2f}–{shadow_among_2000_high:.2f}) |
| vehicles told to be none for each 1 000, at 300 / 2 000 counts/s \
| {shadow_false_300:.1f} ({shadow_false_300_low:.1f}–{shadow_false_300_high:.1f}) / \
{shadow_false_2000:.0f}, at most {shadow_false_2000_high:.0f} |
"""

POWER = """\
| measured | figure (95 %) |
|---|---|
| outages told in the order of causes: lost, low, then the agent that falls silent (40 outages) \
| {power_in_order:.2f} ({power_in_order_low:.2f}–{power_in_order_high:.2f}) |
| time from `power.lost` to the first silence, with a battery for 5 / 15 / 60 min \
| {power_warning_5:.0f} / {power_warning_15:.0f} / {power_warning_60:.0f} min |
| the same from `power.low` | {power_low_5:.1f} / {power_low_15:.1f} / {power_low_60:.1f} min |
| sags of a minute found (60 each), by 14 / 16 / 20 % of the usual voltage \
| {power_sag_14:.2f} ({power_sag_14_low:.2f}–{power_sag_14_high:.2f}) / \
{power_sag_16:.2f} ({power_sag_16_low:.2f}–{power_sag_16_high:.2f}) / \
{power_sag_20:.2f} ({power_sag_20_low:.2f}–{power_sag_20_high:.2f}) |
| told in vain per 1 000 days of a supply with a short dip a day (200 days) \
| {power_false_per_1000_days:.0f}, at most {power_false_per_1000_days_high:.0f} |
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
    "chemical": CHEMICAL,
    "screening": SCREENING,
    "access": ACCESS,
    "badges": BADGES,
    "perimeter": PERIMETER,
    "frozen": FROZEN,
    "presence": PRESENCE,
    "replayed": REPLAYED,
    "spoofed": SPOOFED,
    "bounds": BOUNDS,
    "expected": EXPECTED,
    "power": POWER,
    "process": PROCESS,
    "series": SERIES,
}
