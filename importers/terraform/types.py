"""Which record type a Terraform resource type is, and where its attributes stand.

From the providers' registry documentation (https://registry.terraform.io/browse/providers): aws,
azurerm, google, openstack, flexibleengine, huaweicloud, alicloud, tencentcloud, and a few others.
Resource types that are not in the table are parts, policies and attachments of others. Their ids are
often those of what they are attached to (`aws_s3_bucket_policy` has the bucket's name for an id), so
they go by type and id, and are of type `CloudResource`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_TYPES: Final = {
    "CloudInstance": """
        aws_instance aws_lightsail_instance
        azurerm_virtual_machine azurerm_linux_virtual_machine azurerm_windows_virtual_machine
        google_compute_instance google_compute_instance_from_template
        openstack_compute_instance_v2 flexibleengine_compute_instance_v2
        huaweicloud_compute_instance alicloud_instance tencentcloud_instance
        scaleway_instance_server digitalocean_droplet hcloud_server oci_core_instance
        ibm_is_instance vultr_instance linode_instance ovh_cloud_project_instance""",
    "VPC": """
        aws_vpc aws_default_vpc azurerm_virtual_network google_compute_network
        openstack_networking_network_v2 flexibleengine_networking_network_v2 flexibleengine_vpc_v1
        huaweicloud_vpc alicloud_vpc tencentcloud_vpc scaleway_vpc digitalocean_vpc hcloud_network
        oci_core_vcn ibm_is_vpc""",
    "CloudSubnet": """
        aws_subnet aws_default_subnet azurerm_subnet google_compute_subnetwork
        openstack_networking_subnet_v2 flexibleengine_networking_subnet_v2
        flexibleengine_vpc_subnet_v1 huaweicloud_vpc_subnet alicloud_vswitch tencentcloud_subnet
        hcloud_network_subnet oci_core_subnet ibm_is_subnet""",
    "SecurityGroup": """
        aws_security_group aws_default_security_group azurerm_network_security_group
        azurerm_application_security_group openstack_networking_secgroup_v2
        openstack_compute_secgroup_v2 flexibleengine_networking_secgroup_v2
        flexibleengine_compute_secgroup_v2 huaweicloud_networking_secgroup alicloud_security_group
        tencentcloud_security_group scaleway_instance_security_group hcloud_firewall
        digitalocean_firewall oci_core_network_security_group ibm_is_security_group""",
    "CloudLoadBalancer": """
        aws_lb aws_alb aws_elb azurerm_lb azurerm_application_gateway
        google_compute_forwarding_rule google_compute_global_forwarding_rule
        openstack_lb_loadbalancer_v2 flexibleengine_lb_loadbalancer_v2 flexibleengine_elb_loadbalancer
        huaweicloud_elb_loadbalancer huaweicloud_lb_loadbalancer alicloud_slb
        alicloud_slb_load_balancer alicloud_alb_load_balancer alicloud_nlb_load_balancer
        tencentcloud_clb_instance scaleway_lb digitalocean_loadbalancer hcloud_load_balancer
        oci_load_balancer_load_balancer ibm_is_lb""",
    "CloudDatabase": """
        aws_db_instance aws_rds_cluster aws_rds_cluster_instance aws_redshift_cluster
        aws_dynamodb_table aws_elasticache_cluster aws_elasticache_replication_group
        aws_docdb_cluster aws_neptune_cluster aws_memorydb_cluster
        azurerm_sql_server azurerm_mssql_server azurerm_mssql_database azurerm_mssql_managed_instance
        azurerm_mysql_server azurerm_mysql_flexible_server azurerm_postgresql_server
        azurerm_postgresql_flexible_server azurerm_mariadb_server azurerm_cosmosdb_account
        azurerm_redis_cache
        google_sql_database_instance google_redis_instance google_spanner_instance
        google_bigtable_instance google_alloydb_cluster
        openstack_db_instance_v1 flexibleengine_rds_instance_v1 flexibleengine_rds_instance_v3
        flexibleengine_dcs_instance_v1 flexibleengine_dds_instance_v3
        huaweicloud_rds_instance huaweicloud_dcs_instance huaweicloud_dds_instance
        huaweicloud_gaussdb_mysql_instance huaweicloud_gaussdb_opengauss_instance
        alicloud_db_instance alicloud_kvstore_instance alicloud_mongodb_instance
        alicloud_polardb_cluster tencentcloud_mysql_instance tencentcloud_postgresql_instance
        tencentcloud_mariadb_instance tencentcloud_redis_instance tencentcloud_mongodb_instance
        tencentcloud_sqlserver_instance scaleway_rdb_instance scaleway_redis_cluster
        digitalocean_database_cluster""",
    "Bucket": """
        aws_s3_bucket azurerm_storage_container google_storage_bucket
        openstack_objectstorage_container_v1 flexibleengine_obs_bucket flexibleengine_s3_bucket
        huaweicloud_obs_bucket alicloud_oss_bucket tencentcloud_cos_bucket scaleway_object_bucket
        digitalocean_spaces_bucket oci_objectstorage_bucket""",
    "CloudFunction": """
        aws_lambda_function azurerm_function_app azurerm_linux_function_app
        azurerm_windows_function_app google_cloudfunctions_function google_cloudfunctions2_function
        google_cloud_run_service google_cloud_run_v2_service huaweicloud_fgs_function
        flexibleengine_fgs_function alicloud_fc_function alicloud_fcv3_function
        tencentcloud_scf_function scaleway_function""",
    "CloudVolume": """
        aws_ebs_volume azurerm_managed_disk google_compute_disk google_compute_region_disk
        openstack_blockstorage_volume_v1 openstack_blockstorage_volume_v2
        openstack_blockstorage_volume_v3 flexibleengine_blockstorage_volume_v2
        huaweicloud_evs_volume alicloud_disk alicloud_ecs_disk tencentcloud_cbs_storage
        scaleway_instance_volume scaleway_block_volume digitalocean_volume hcloud_volume
        oci_core_volume ibm_is_volume""",
    "CloudGateway": """
        aws_internet_gateway aws_nat_gateway aws_vpn_gateway aws_customer_gateway
        aws_egress_only_internet_gateway aws_ec2_transit_gateway aws_dx_gateway
        azurerm_nat_gateway azurerm_virtual_network_gateway azurerm_local_network_gateway
        azurerm_vpn_gateway google_compute_router google_compute_vpn_gateway
        google_compute_ha_vpn_gateway openstack_networking_router_v2
        flexibleengine_networking_router_v2 flexibleengine_nat_gateway_v2
        huaweicloud_nat_gateway huaweicloud_vpn_gateway alicloud_nat_gateway alicloud_vpn_gateway
        tencentcloud_nat_gateway tencentcloud_vpn_gateway scaleway_vpc_public_gateway
        oci_core_internet_gateway oci_core_nat_gateway ibm_is_public_gateway""",
    "CloudEndpoint": """
        aws_vpc_endpoint azurerm_private_endpoint huaweicloud_vpcep_endpoint
        alicloud_privatelink_vpc_endpoint tencentcloud_vpc_end_point""",
    "CloudCluster": """
        aws_ecs_cluster aws_eks_cluster aws_msk_cluster aws_emr_cluster azurerm_kubernetes_cluster
        google_container_cluster google_dataproc_cluster openstack_containerinfra_cluster_v1
        flexibleengine_cce_cluster_v3 huaweicloud_cce_cluster alicloud_cs_kubernetes
        alicloud_cs_managed_kubernetes tencentcloud_kubernetes_cluster scaleway_k8s_cluster
        scaleway_k8s_cluster_beta digitalocean_kubernetes_cluster oci_containerengine_cluster""",
    "CloudQueue": """
        aws_sqs_queue aws_sns_topic aws_mq_broker aws_kinesis_stream azurerm_servicebus_namespace
        azurerm_servicebus_queue azurerm_servicebus_topic azurerm_eventhub azurerm_storage_queue
        google_pubsub_topic google_pubsub_subscription flexibleengine_smn_topic_v2
        huaweicloud_smn_topic huaweicloud_dms_kafka_instance huaweicloud_dms_rabbitmq_instance
        alicloud_message_service_queue alicloud_message_service_topic alicloud_alikafka_instance
        tencentcloud_ckafka_instance scaleway_mnq_sqs_queue scaleway_mnq_sns_topic""",
    "DomainName": """
        aws_route53_record azurerm_dns_a_record azurerm_dns_aaaa_record azurerm_dns_cname_record
        azurerm_dns_mx_record azurerm_dns_ns_record azurerm_dns_srv_record azurerm_dns_txt_record
        azurerm_private_dns_a_record azurerm_private_dns_aaaa_record
        azurerm_private_dns_cname_record google_dns_record_set openstack_dns_recordset_v2
        flexibleengine_dns_recordset_v2 huaweicloud_dns_recordset alicloud_dns_record
        alicloud_alidns_record tencentcloud_dnspod_record cloudflare_record cloudflare_dns_record
        scaleway_domain_record digitalocean_record""",
    # Resources with an identity of their own, of kinds that have no record type.
    "CloudResource": """
        aws_lb_target_group aws_alb_target_group aws_lb_listener aws_alb_listener aws_ecs_service
        aws_ecr_repository aws_route53_zone aws_secretsmanager_secret aws_autoscaling_group aws_launch_template
        aws_cloudfront_distribution aws_elasticsearch_domain aws_opensearch_domain aws_efs_file_system
        aws_eip aws_network_interface aws_route_table aws_vpc_peering_connection
        azurerm_resource_group azurerm_storage_account azurerm_public_ip azurerm_network_interface
        azurerm_key_vault azurerm_container_registry""",
}

TYPES: Final[Mapping[str, str]] = {
    resource: record for record, resources in _TYPES.items() for resource in resources.split()
}

NAMES: Final = ("tags.Name", "name", "display_name", "function_name", "bucket", "identifier")
NAMES_BY_TYPE: Final[Mapping[str, tuple[str, ...]]] = {
    "alicloud_instance": ("instance_name",),
    "tencentcloud_instance": ("instance_name",),
}
ADDRESSES: Final = (
    "public_ip",
    "public_ip_address",
    "network_interface.0.access_config.0.nat_ip",
    "vip_address",
    "ip_address",
    "ipv4_address",
    "address",
)
"""Where an address stands by which a resource is reached."""

_ZONES: Final[Mapping[str, re.Pattern[str]]] = {
    "aws": re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d+)[a-z]"),
    "google": re.compile(r"(.+\d)-[a-z]"),
    "alicloud": re.compile(r"(.+-\d+|.+?)-?[a-z]"),
    "tencentcloud": re.compile(r"(.+)-\d+"),
    "flexibleengine": re.compile(r"(.+-\d+)[a-z]"),
    "huaweicloud": re.compile(r"(.+-\d+)[a-z]"),
}
_PROVIDERS: Final[Mapping[str, str]] = {"azurerm": "azure", "azuread": "azure", "azapi": "azure"}
_LOCAL: Final = re.compile(
    r"(?:random|tls|null|local|time|template|archive|external|http|cloudinit|terraform|vault)_"
)
_CREDENTIAL: Final = re.compile(r"password|token|access_key|api_key|credential|private_key")
_ENGINES: Final = re.compile(
    r"postgresql|mysql|mariadb|mssql|sqlserver|redis|mongodb|dynamodb|redshift|cosmosdb|spanner|bigtable"
    r"|alloydb|polardb|neptune|docdb|opengauss"
)


def provider(resource_type: str) -> str:
    """The cloud a resource type belongs to: its first word."""
    word = resource_type.partition("_")[0]
    return _PROVIDERS.get(word, word)


def is_secretive(resource_type: str) -> bool:
    """Whether nothing may be taken of a resource but that it is there.

    Some exist only in the state (random values, keys), and have the value itself for an id.
    """
    return bool(_LOCAL.match(resource_type) or _CREDENTIAL.search(resource_type))


def region_of_zone(cloud: str, zone: str) -> str | None:
    """The region an availability zone lies in; None where the cloud's zones do not tell."""
    pattern = _ZONES.get(cloud)
    match = pattern.fullmatch(zone) if pattern else None
    return match[1] if match else None


def engine(resource_type: str) -> str | None:
    """The database engine that the name of a resource type tells."""
    match = _ENGINES.search(resource_type)
    return match[0] if match else None
