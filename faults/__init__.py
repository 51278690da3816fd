"""Random fault injection, and the invariant that must hold afterwards (`make faults`).

Each schedule is drawn from a seed. Files arrive late, arrive twice, are cut off, overwritten, renamed, deleted or
damaged. Runs are killed, stopped or cut off from PostgreSQL at a named step of the pipeline. Disks are full, the lake
is read-only, clocks jump. Then the faults end, the system settles, and every table must equal that of one clean
computation over the current files.
"""
