"""What each fault changes: functions of the fault and of the object alone."""
