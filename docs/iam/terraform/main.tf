# Written by tools/iam_files.py from exporter/doctor/iam.py: `make docs`.

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "AWS"
      identifiers = [var.exporter_role_arn]
    }

    dynamic "condition" {
      for_each = var.external_id == null ? [] : [[var.external_id]]

      content {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = condition.value
      }
    }
  }
}

data "aws_iam_policy_document" "permissions" {
  statement {
    actions   = ["bedrock:ListModelCustomizationJobs"]
    resources = ["*"]

    dynamic "condition" {
      for_each = length(var.regions) == 0 ? [] : [var.regions]

      content {
        test     = "StringEquals"
        variable = "aws:RequestedRegion"
        values   = condition.value
      }
    }
  }

  dynamic "statement" {
    for_each = var.details ? [true] : []

    content {
      actions   = ["bedrock:GetModelCustomizationJob", "bedrock:ListTagsForResource"]
      resources = ["arn:*:bedrock:*:*:model-customization-job/*"]
    }
  }
}

resource "aws_iam_role" "exporter" {
  name               = var.role_name
  description        = "Read by bedrock-customization-exporter"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "exporter" {
  name   = "list-model-customization-jobs"
  role   = aws_iam_role.exporter.id
  policy = data.aws_iam_policy_document.permissions.json
}
