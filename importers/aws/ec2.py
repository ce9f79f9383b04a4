"""What the answers of EC2 hold: instances, volumes and networks. See `aws_resources`."""

from __future__ import annotations

from typing import Final

from importers.aws.listing import VPC, Listing, groups, in_network

LISTINGS: Final = (
    Listing("ec2 describe-vpcs", "Vpcs", "VPC", "VpcId", attributes={"network": "CidrBlock"}),
    Listing(
        "ec2 describe-subnets",
        "Subnets",
        "CloudSubnet",
        "SubnetId",
        attributes={"network": "CidrBlock"},
        links=(VPC,),
    ),
    Listing(
        "ec2 describe-security-groups",
        "SecurityGroups",
        "SecurityGroup",
        "GroupId",
        name="GroupName",
        links=(VPC,),
    ),
    Listing(
        "ec2 describe-instances",
        "Reservations.Instances",
        "CloudInstance",
        "InstanceId",
        attributes={
            "instance_type": "InstanceType",
            "management_ip": "PrivateIpAddress",
            "mac_addresses": "NetworkInterfaces.MacAddress",
            "hostname": "PrivateDnsName",
            "lifecycle_state": "State.Name",
        },
        links=(
            in_network("CloudSubnet", "SubnetId"),
            groups("SecurityGroups.GroupId"),
            ("ATTACHED_TO", "CloudVolume", "BlockDeviceMappings.Ebs.VolumeId"),
            ("HAS_ADDRESS", "IPAddress", "PublicIpAddress"),
        ),
    ),
    Listing(
        "ec2 describe-volumes",
        "Volumes",
        "CloudVolume",
        "VolumeId",
        attributes={"capacity_gib": "Size"},
        links=(("ATTACHMENT_OF", "CloudInstance", "Attachments.InstanceId"),),
    ),
    Listing(
        "ec2 describe-network-interfaces",
        "NetworkInterfaces",
        "CloudResource",
        "NetworkInterfaceId",
        kind="aws_network_interface",
        links=(
            in_network("CloudSubnet", "SubnetId"),
            groups("Groups.GroupId"),
            # (instance)-[:DEPENDS_ON]->(network interface)
            ("DEPENDED_ON_BY", "CloudInstance", "Attachment.InstanceId"),
            ("HAS_ADDRESS", "IPAddress", "Association.PublicIp"),
        ),
    ),
    Listing(
        "ec2 describe-route-tables",
        "RouteTables",
        "CloudResource",
        "RouteTableId",
        kind="aws_route_table",
        links=(
            VPC,
            # (subnet)-[:DEPENDS_ON]->(route table)-[:DEPENDS_ON]->(gateway)
            ("DEPENDED_ON_BY", "CloudSubnet", "Associations.SubnetId"),
            ("DEPENDS_ON", "CloudGateway", "Routes.GatewayId"),
            ("DEPENDS_ON", "CloudGateway", "Routes.NatGatewayId"),
            ("DEPENDS_ON", "CloudGateway", "Routes.TransitGatewayId"),
        ),
    ),
    Listing(
        "ec2 describe-internet-gateways",
        "InternetGateways",
        "CloudGateway",
        "InternetGatewayId",
        links=(in_network("VPC", "Attachments.VpcId"),),
    ),
    Listing(
        "ec2 describe-egress-only-internet-gateways",
        "EgressOnlyInternetGateways",
        "CloudGateway",
        "EgressOnlyInternetGatewayId",
        links=(in_network("VPC", "Attachments.VpcId"),),
    ),
    Listing(
        "ec2 describe-nat-gateways",
        "NatGateways",
        "CloudGateway",
        "NatGatewayId",
        links=(
            in_network("CloudSubnet", "SubnetId"),
            ("HAS_ADDRESS", "IPAddress", "NatGatewayAddresses.PublicIp"),
        ),
    ),
    Listing(
        "ec2 describe-vpn-gateways",
        "VpnGateways",
        "CloudGateway",
        "VpnGatewayId",
        links=(in_network("VPC", "VpcAttachments.VpcId"),),
    ),
    Listing(
        "ec2 describe-customer-gateways",
        "CustomerGateways",
        "CloudGateway",
        "CustomerGatewayId",
        links=(("HAS_ADDRESS", "IPAddress", "IpAddress"),),
    ),
    Listing("ec2 describe-transit-gateways", "TransitGateways", "CloudGateway", "TransitGatewayId"),
    Listing(
        "ec2 describe-vpc-endpoints",
        "VpcEndpoints",
        "CloudEndpoint",
        "VpcEndpointId",
        name="ServiceName",
        links=(VPC, in_network("CloudSubnet", "SubnetIds"), groups("Groups.GroupId")),
    ),
    Listing(
        "ec2 describe-vpc-peering-connections",
        "VpcPeeringConnections",
        "CloudResource",
        "VpcPeeringConnectionId",
        kind="aws_vpc_peering_connection",
        links=(
            in_network("VPC", "RequesterVpcInfo.VpcId"),
            in_network("VPC", "AccepterVpcInfo.VpcId"),
        ),
    ),
)
