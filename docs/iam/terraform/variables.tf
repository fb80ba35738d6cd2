variable "exporter_role_arn" {
  description = "ARN of the exporter's own role, which must exist already."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/", var.exporter_role_arn))
    error_message = "This is not the ARN of an IAM role or user."
  }
}

variable "external_id" {
  description = "What the exporter has to say, as in its configuration; nothing if null."
  type        = string
  default     = null
}

variable "regions" {
  description = "The only regions whose jobs may be listed; all if empty."
  type        = list(string)
  default     = []
}

variable "details" {
  description = "Whether the exporter may read details and tags of jobs, too."
  type        = bool
  default     = false
}

variable "role_name" {
  description = "Name of the role, the same in every account."
  type        = string
  default     = "bedrock-exporter"
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
}
