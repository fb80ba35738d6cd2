"""`--doctor`: checks what each target needs from AWS, and says what is missing and how to fix it."""
