-- Keys of the resumes that were seen while a stop was still asked for: they lift nothing, ever. A JSON array.
ALTER TABLE latches ADD COLUMN void_resumes TEXT NOT NULL DEFAULT '[]';
