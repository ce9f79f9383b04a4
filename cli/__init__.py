"""The command ``cmdb``: a door. Each subcommand is a few lines over the services of ``cmdb``.

``main`` runs it and turns errors into one line and an exit code; ``options`` are shared by the
subcommands; ``words`` turns what people type into filters and values; ``output`` prints for people
and as JSON; ``confirming`` asks before what cannot be undone; ``process_words`` turns what people type at
processes into devices and inputs; ``processes`` makes the group of a kind of process; the rest are groups of subcommands.
"""
