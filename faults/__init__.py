"""Random fault injection, and the invariant that must hold afterwards (`make faults`).

A schedule is drawn from a seed: files that are late, twice, cut off, overwritten, renamed, deleted or damaged; runs
that are killed, stopped or cut off from PostgreSQL at a named step of the pipeline; a disk that is full, a lake that
may not be written, clocks that jump. Then the faults end, the system is left alone, and every table must be that of
one clean computation over the files as they are.
"""
