"""Jobs, sensors and schedules. Decisions are pure functions; sensors and schedules only call them."""
