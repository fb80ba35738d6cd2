"""The IAM actions that the exporter calls, by name: for policies and for advice about a denied call."""

LIST_JOBS = "bedrock:ListModelCustomizationJobs"
GET_JOB = "bedrock:GetModelCustomizationJob"
LIST_TAGS = "bedrock:ListTagsForResource"
ASSUME_ROLE = "sts:AssumeRole"
ASSUME_ROLE_WITH_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
TAG_SESSION = "sts:TagSession"
"""Needed with AssumeRole if the caller's session has transitive tags, as those of EKS Pod Identity have."""
