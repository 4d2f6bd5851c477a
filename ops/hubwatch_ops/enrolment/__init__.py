"""Enrolment of agents at the hub: leave given, certificates given out over HTTPS or in files, revocation brought to
the brokers.
"""
