package services

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vpcsim/vpcsim/control"
)

// tree reads every item below a path, as "path = text" with lines joined by "|".
func (l *lab) tree(path string) []string {
	l.t.Helper()
	_, list, _ := l.send("GET", path)
	var all []string
	for entry := range strings.SplitSeq(list, "\n") {
		if strings.HasSuffix(entry, "/") {
			all = append(all, l.tree(path+entry)...)
			continue
		}
		status, text, _ := l.send("GET", path+entry)
		if status != 200 {
			l.t.Errorf("%s is listed but is %d", path+entry, status)
		}
		all = append(all, path+entry+" = "+strings.ReplaceAll(text, "\n", "|"))
	}
	return all
}

func TestMetadataTree(t *testing.T) {
	l := startLab(t, fixture, func(d *Directory) {
		i := d.eni(t, "i1/eth0").instance
		i.Status.MetadataOptions.InstanceMetadataTags = control.Enabled
		i.Tags = map[string]string{"Name": "i1", "empty": ""}
	})
	l.ask("i1/eth0")
	eni := l.directory.Load().eni(t, "i1/eth0")
	mac, image := eni.Status.MAC.String(), imageID(eni.instance)
	w := newWorld(t, fixture)
	want := strings.Split(strings.NewReplacer("MAC", mac, "AMI", image, "IID", eni.instance.Status.ID,
		"RID", strings.TrimPrefix(eni.instance.Status.ID, "i-"), "ENI", eni.Status.ID,
		"SUBNET", eni.subnet.Status.ID, "VPC", eni.vpc.Status.ID,
		"SG1", w.SecurityGroups["web"].Status.ID, "SG2", w.SecurityGroups["app/default"].Status.ID).Replace(
		`ami-id = AMI
ami-launch-index = 0
ami-manifest-path = (unknown)
events/maintenance/history = []
events/maintenance/scheduled = []
hostname = ip-10-0-1-10.ec2.internal
instance-action = none
instance-id = IID
instance-life-cycle = on-demand
instance-type = m5.large
ipv6 = 2001:db8:1:101::10
local-hostname = ip-10-0-1-10.ec2.internal
local-ipv4 = 10.0.1.10
mac = MAC
network/interfaces/macs/MAC/device-number = 0
network/interfaces/macs/MAC/interface-id = ENI
network/interfaces/macs/MAC/ipv4-associations/198.51.100.10 = 10.0.1.10
network/interfaces/macs/MAC/ipv6s = 2001:db8:1:101::10
network/interfaces/macs/MAC/local-hostname = ip-10-0-1-10.ec2.internal
network/interfaces/macs/MAC/local-ipv4s = 10.0.1.10
network/interfaces/macs/MAC/mac = MAC
network/interfaces/macs/MAC/owner-id = 123456789012
network/interfaces/macs/MAC/public-hostname = ec2-198-51-100-10.compute-1.amazonaws.com
network/interfaces/macs/MAC/public-ipv4s = 198.51.100.10
network/interfaces/macs/MAC/security-group-ids = SG1|SG2
network/interfaces/macs/MAC/security-groups = web|default
network/interfaces/macs/MAC/subnet-id = SUBNET
network/interfaces/macs/MAC/subnet-ipv4-cidr-block = 10.0.1.0/24
network/interfaces/macs/MAC/subnet-ipv6-cidr-blocks = 2001:db8:1:101::/64
network/interfaces/macs/MAC/vpc-id = VPC
network/interfaces/macs/MAC/vpc-ipv4-cidr-block = 10.0.0.0/16
network/interfaces/macs/MAC/vpc-ipv4-cidr-blocks = 10.0.0.0/16|100.64.0.0/24
network/interfaces/macs/MAC/vpc-ipv6-cidr-blocks = 2001:db8:1:100::/56
placement/availability-zone = us-east-1a
placement/availability-zone-id = use1-az1
placement/region = us-east-1
profile = default-hvm
public-hostname = ec2-198-51-100-10.compute-1.amazonaws.com
public-ipv4 = 198.51.100.10
reservation-id = r-RID
security-groups = web|default
services/domain = amazonaws.com
services/partition = aws
system = nitro
tags/instance/Name = i1
tags/instance/empty = `), "\n")
	for n := range want {
		want[n] = "/latest/meta-data/" + want[n]
	}
	if diff := cmp.Diff(want, l.tree("/latest/meta-data/")); diff != "" {
		t.Error(diff)
	}
}

func TestMetadataPaths(t *testing.T) {
	l := startLab(t, fixture, func(d *Directory) { d.eni(t, "i1/eth0").instance.UserData = "#!/bin/sh\n" })
	l.ask("i1/eth0")
	for path, want := range map[string]string{
		"/latest":                                     "dynamic\nmeta-data\nuser-data",
		"/latest/":                                    "dynamic\nmeta-data\nuser-data",
		"/2021-03-23/meta-data/placement":             "availability-zone\navailability-zone-id\nregion",
		"/latest/meta-data/placement/region/":         "us-east-1",
		"//latest//meta-data/local-ipv4":              "10.0.1.10",
		"/latest/user-data":                           "#!/bin/sh\n",
		"/latest/dynamic/":                            "instance-identity/",
		"/latest/meta-data/network/interfaces/macs":   l.directory.Load().eni(t, "i1/eth0").Status.MAC.String() + "/",
		"/latest/meta-data/mac?irrelevant=yes":        l.directory.Load().eni(t, "i1/eth0").Status.MAC.String(),
		"/latest/meta-data/services/domain":           "amazonaws.com",
		"/2009-04-04/meta-data/public-ipv4":           "198.51.100.10",
		"/latest/dynamic/instance-identity":           "document",
		"/latest/meta-data/events/maintenance/":       "history\nscheduled",
		"/latest/meta-data/network/interfaces/macs/x": "404",
		"/latest/meta-data/iam/":                      "404",
		"/latest/meta-data/iam/info":                  "404",
		"/latest/meta-data/tags/instance/":            "404",
		"/latest/meta-data/spot/instance-action":      "404",
		"/latest/meta":                                "404",
		"/2030-01-01/meta-data/mac":                   "404",
		"/latest/meta-data/mac/x":                     "404",
	} {
		status, body, _ := l.send("GET", path)
		if got := map[bool]string{true: body, false: fmt.Sprint(status)}[status == 200]; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if _, body, _ := l.send("GET", "/"); !strings.HasPrefix(body, "1.0\n2007-01-19\n") || !strings.HasSuffix(body, "\nlatest") {
		t.Errorf("versions: %s", body)
	}
	l.ask("i3/eth0")
	if status, _, _ := l.send("GET", "/latest/user-data"); status != 404 {
		t.Errorf("user data that there is not: %d", status)
	}
	if _, body, _ := l.send("GET", "/latest/"); body != "dynamic\nmeta-data" {
		t.Errorf("top without user data: %s", body)
	}
}

func TestPublicNameNeedsHostnames_AC24(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("p1/eth0")
	if status, _, _ := l.send("GET", "/latest/meta-data/public-hostname"); status != 404 {
		t.Errorf("public-hostname: %d", status)
	}
	if _, body, _ := l.send("GET", "/latest/meta-data/public-ipv4"); body != "198.51.100.30" {
		t.Errorf("public-ipv4: %s", body)
	}
	if _, body, _ := l.send("GET", "/latest/meta-data/hostname"); body != "ip-10-3-1-10.ec2.internal" {
		t.Errorf("hostname: %s", body)
	}
}

func TestMetadataOfSeveralInterfaces(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i2/eth1") // whichever asks, the instance is the same
	d := l.directory.Load()
	eth0, eth1 := d.eni(t, "i2/eth0").Status.MAC.String(), d.eni(t, "i2/eth1").Status.MAC.String()
	want := []string{eth0 + "/", eth1 + "/"}
	slices.Sort(want)
	_, macs, _ := l.send("GET", "/latest/meta-data/network/interfaces/macs/")
	if diff := cmp.Diff(want, strings.Split(macs, "\n")); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]string{
		"mac": eth0, "local-ipv4": "10.0.1.20",
		"network/interfaces/macs/" + eth1 + "/device-number":                   "1",
		"network/interfaces/macs/" + eth1 + "/local-ipv4s":                     "10.0.1.21\n10.0.1.22",
		"network/interfaces/macs/" + eth1 + "/public-ipv4s":                    "198.51.100.22",
		"network/interfaces/macs/" + eth1 + "/ipv4-associations/198.51.100.22": "10.0.1.22",
	} {
		if _, got, _ := l.send("GET", "/latest/meta-data/"+path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestMetadataOfAnIPv6OnlyInstance(t *testing.T) {
	l := startLab(t, fixture, every(func(i *control.Instance) { i.Status.MetadataOptions.HTTPTokens = control.TokensOptional }))
	l.ask("i6/eth0")
	id := l.directory.Load().eni(t, "i6/eth0").instance.Status.ID
	for path, want := range map[string]string{
		"ipv6": "2001:db8:1:106::66", "hostname": id + ".ec2.internal", "local-ipv4": "", "public-ipv4": "", "public-hostname": "",
	} {
		status, got, _ := l.send("GET", "/latest/meta-data/"+path)
		if want == "" && status != 404 || want != "" && got != want {
			t.Errorf("%s: %d %s, want %q", path, status, got, want)
		}
	}
}

func TestIdentityDocument(t *testing.T) {
	l := startLab(t, fixture, nil)
	l.ask("i1/eth0")
	_, text, _ := l.send("GET", "/latest/dynamic/instance-identity/document")
	var document map[string]any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	i := l.directory.Load().eni(t, "i1/eth0").instance
	if _, err := time.Parse(time.RFC3339, document["pendingTime"].(string)); err != nil {
		t.Error(err)
	}
	delete(document, "pendingTime")
	want := map[string]any{
		"accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "us-east-1a", "billingProducts": nil,
		"devpayProductCodes": nil, "marketplaceProductCodes": nil, "imageId": imageID(i), "instanceId": i.Status.ID,
		"instanceType": "m5.large", "kernelId": nil, "privateIp": "10.0.1.10", "ramdiskId": nil, "region": "us-east-1", "version": "2017-09-30",
	}
	if diff := cmp.Diff(want, document); diff != "" {
		t.Error(diff)
	}
}

func TestRoleCredentials(t *testing.T) {
	l := startLab(t, fixture, every(func(i *control.Instance) { i.Role = "web-role" }))
	l.ask("i1/eth0")
	if _, roles, _ := l.send("GET", "/latest/meta-data/iam/security-credentials/"); roles != "web-role" {
		t.Errorf("roles: %q", roles)
	}
	if _, info, _ := l.send("GET", "/latest/meta-data/iam/info"); !strings.Contains(info, "arn:aws:iam::123456789012:instance-profile/web-role") {
		t.Error(info)
	}
	read := func(now time.Time) map[string]string {
		l.now.Store(&now)
		_, text, _ := l.send("GET", "/latest/meta-data/iam/security-credentials/web-role")
		var c map[string]string
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	begin := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	c := read(begin)
	if c["Code"] != "Success" || c["Type"] != "AWS-HMAC" || len(c["AccessKeyId"]) != 20 || !strings.HasPrefix(c["AccessKeyId"], "ASIA") ||
		len(c["SecretAccessKey"]) != 40 || len(c["Token"]) < 300 || c["LastUpdated"] != "2026-01-02T03:00:00Z" || len(c) != 7 {
		t.Errorf("%v", c)
	}
	if again := read(begin.Add(59 * time.Minute)); !cmp.Equal(c, again) {
		t.Error("credentials change while they are new")
	}
	previous := c
	for after := time.Duration(0); after < 12*time.Hour; after += 7 * time.Minute {
		now := begin.Add(after)
		c := read(now)
		expires, err := time.Parse(time.RFC3339, c["Expiration"])
		if err != nil || expires.Sub(now) < 5*time.Minute {
			t.Fatalf("at %v: expire at %v, %v", now, expires, err)
		}
		previous = c
	}
	if previous["AccessKeyId"] == c["AccessKeyId"] {
		t.Error("credentials are never replaced")
	}
}
