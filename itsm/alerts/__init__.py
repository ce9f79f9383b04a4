"""Alerts of monitoring tools: received, folded, matched to the CIs they are about, and made incidents of.

    formats       what tools send, read
    receiving     kept in a journal before it is acknowledged
    intake        taken from there in batches: one change set each, with how far it has come
    folding       repeats are one alert; flapping
    matching      which CI it is about, by the identification rules of discovery
    correlating   which alerts are one incident, and what its cause is; `incidents` makes that so
    attaching     by hand, what was not matched

How all of this decides is data: `rules`, from ``rules.yaml`` and an operator's own file.
"""
