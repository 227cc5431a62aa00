"""Schedules: a plan as calls over views and buffers, whose memory is known before any text is written."""
