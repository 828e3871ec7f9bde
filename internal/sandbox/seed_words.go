package sandbox

import "strings"

// awkwardKeys are keys every data set holds: those that YAML, SQL or a URL
// read differently when they are not quoted, and those that a comparison
// outside the server orders differently.
var awkwardKeys = []string{
	"O'BRIEN", "null", "2021-07-12", "CL 001", "É-TIENNE", "E-TIENNE", "ETIENNE",
	"a:b", "- x", "#1", "yes", "1e5", "007", "*a", "&b", "!c", "? d", "%e", "@f",
	`g"h`, `i\j`, "~", "k/l", "[m]", "{n}", "|p", ">q", "'r'", "`s`", "t,u", "v;w",
	"x=y&z", "a+b", "é", "œuvre", "true", "0x1F", "12:30", " lead", "fin:", "Zoë", "-",
}

var users = []string{"ADM", "Camille MARTIN", "J. Lefèvre", "compta", "API"}

// awkwardTexts are notes every data set holds.
var awkwardTexts = []string{
	"Première ligne\r\nDeuxième ligne\r\n\r\nQuatrième ligne",
	"Client fidèle 🎉 depuis l'an 2000 👩‍🔧",
	"</script><script>alert('x')</script>",
	"Il a dit : \"d'accord\", puis \\ rien",
	"tabulation\tet point-virgule;virgule,guillemet\"",
	"Cœur, naïf, Noël, où, ça, à l'été — « fin »\u00a0!",
	strings.Repeat("Une note très longue qui ne finit pas. ", 400),
}

type city struct{ zip, name, state string }

var cities = []city{
	{"75011", "Paris", "Île-de-France"}, {"69003", "Lyon", "Auvergne-Rhône-Alpes"},
	{"13006", "Marseille", "Provence-Alpes-Côte d'Azur"}, {"33000", "Bordeaux", "Nouvelle-Aquitaine"},
	{"59000", "Lille", "Hauts-de-France"}, {"67000", "Strasbourg", "Grand Est"},
	{"44000", "Nantes", "Pays de la Loire"}, {"35000", "Rennes", "Bretagne"},
	{"42000", "Saint-Étienne", "Auvergne-Rhône-Alpes"}, {"01000", "Bourg-en-Bresse", "Auvergne-Rhône-Alpes"},
	{"06100", "Nice", "Provence-Alpes-Côte d'Azur"}, {"78120", "Rambouillet", "Île-de-France"},
	{"61000", "Alençon", "Normandie"}, {"76450", "Cany-Barville", "Normandie"},
	{"85100", "Les Sables-d'Olonne", "Pays de la Loire"}, {"97400", "Saint-Denis", "La Réunion"},
	{"29200", "Brest", "Bretagne"}, {"30000", "Nîmes", "Occitanie"},
	{"07000", "Privas", "Auvergne-Rhône-Alpes"}, {"45000", "Orléans", "Centre-Val de Loire"},
}

var streets = []string{
	"rue de la République", "avenue du Général-de-Gaulle", "place de l'Église", "chemin des Écoliers",
	"boulevard Émile-Zola", "impasse du Puits", "rue de l'Hôtel-de-Ville", "quai d'Anjou",
	"allée des Tilleuls", "route de Besançon", "zone artisanale du Bois-d'Ardèche",
}

var firstNames = []string{
	"Aurélie", "Benoît", "Chloé", "Didier", "Élodie", "François", "Gaëlle", "Hélène", "Inès", "Jérôme",
	"Karim", "Léa", "Maël", "Noémie", "Océane", "Pierre", "Quentin", "Raphaël", "Sébastien", "Théo",
	"Ugo", "Valérie", "William", "Xavier", "Yaëlle", "Zoé",
}

var lastNames = []string{
	"Bénard", "Chevalier", "D'Alembert", "Durand", "Étienne", "Fèvre", "Garçon", "Héron", "Işık", "Jaurès",
	"Kœnig", "Lefèvre", "Müller", "Noël", "O'Brien", "Pâris", "Quéré", "Roussel", "Saint-Exupéry", "Thévenot",
	"Ürgüp", "Vasseur", "Weiß", "Xénakis", "Ybert", "Zürn",
}

var trades = []string{
	"Boulangerie", "Menuiserie", "Garage", "Librairie", "Pharmacie", "Plomberie", "Électricité", "Maçonnerie",
	"Fromagerie", "Imprimerie", "Pépinière", "Quincaillerie", "Transports", "Hôtel", "Mairie de", "École", "Café",
	"Bâtiments", "Charpente", "Établissements",
}

var legalForms = []string{"SARL", "SAS", "EURL", "SA", "SCOP", "& Fils", "& Cie", "et Associés", "EIRL", ""}

var things = []string{
	"Vis", "Clé à molette", "Chaudière", "Câble", "Écrou", "Peinture", "Poignée", "Tôle", "Boîte", "Étagère",
	"Forfait main-d'œuvre", "Panneau", "Robinet", "Disjoncteur", "Pâte à joint", "Échelle", "Gâche", "Cheville",
}

var qualities = []string{
	"inox 6×40", "à six pans", "n° 12", "\"pro\"", "5 m²", "haute densité", "blanc cassé", "Ø 20", "galvanisé", "50 %",
}

var thingUnits = [][2]string{{"U", "Unité"}, {"H", "Heures"}, {"J", "Jours"}, {"KG", "Kilogrammes"}, {"M", "Mètres"}, {"M²", "Mètres carrés"}, {"L", "Litres"}, {"FT", "Forfait"}}

var itemFamilies = [][2]string{{"FA1", "Fixation"}, {"FA2", "Chauffage"}, {"FA8", "Électricité"}, {"FB8", "Éclairage"}, {"FC9", "Peinture"}, {"null", "Famille nommée null"}, {"007", "Services"}, {"O'FAM", "L'outillage"}}

var customerFamilies = [][2]string{{"FA1", "Particuliers"}, {"FA2", "Professionnels"}, {"FA3", "Collectivités"}, {"O'FAM", "Clients d'été"}}
