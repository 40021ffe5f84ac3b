"""Pure decisions: what must be written, what may go, what is latched. Time is a parameter."""
