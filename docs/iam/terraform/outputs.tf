output "role_arn" {
  description = "For assume_role.role_arn in the exporter's configuration."
  value       = aws_iam_role.exporter.arn
}
