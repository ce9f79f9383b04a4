"""Incident and change, problem and request: the processes that impact analysis feeds.

They are declared in the model (``incidents.yaml``, ``changes.yaml``) and carried out by the engine of
``lifecycle``; what is here is what they add: alerts that become incidents, what is hit and how bad that is, the
clocks of service levels, who is to see to it; changes to the graph that are held back until a change is carried
out, its risk, what it collides with. `rules` is where the engine finds their guards and effects.

It knows ``lifecycle``, ``cmdb``, ``impact`` and ``schema``, and no door.
"""
