"""A teacher becomes a student: teachers, students, losses, data, training and evaluation."""
