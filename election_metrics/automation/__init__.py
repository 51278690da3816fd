"""What runs when: jobs, sensors, schedules. Decisions are pure functions; sensors and schedules only wire them."""
